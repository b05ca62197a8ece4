"""Unlearning methods by name: each in its file, with its source and what deviates from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hfru_core.config import UnlearnConfig
from hfru_core.methods import hfru
from hfru_core.methods.base import PUBLISHED, EditedMethod, Method, TrainedMethod
from hfru_core.methods.eul import EUL
from hfru_core.methods.evasive import Evasive
from hfru_core.methods.ga import GradientAscent
from hfru_core.methods.graddiff import GradDiff
from hfru_core.methods.icu import ICU
from hfru_core.methods.idk import IdkAP, IdkNLL, IdkPO
from hfru_core.methods.klmin import KLMin
from hfru_core.methods.leace import LEACE
from hfru_core.methods.manu import MANU
from hfru_core.methods.me import MaxEntropy
from hfru_core.methods.mmunlearner import MMUnlearner
from hfru_core.methods.npo import NPO, SimNPO
from hfru_core.methods.nspu import Anonymised
from hfru_core.methods.pubg import PUBG
from hfru_core.methods.rmu import RMU
from hfru_core.methods.rmuse import RMUSE
from hfru_core.methods.safeeraser import GAPD, GDPD, KLPD, IdkPD
from hfru_core.methods.salun import SalUn
from hfru_core.methods.siu import SIU
from hfru_core.methods.ssiuu import Ssiuu
from hfru_core.methods.su import ScopeAware
from hfru_core.methods.undial import Undial
from hfru_core.types import Concept, UserError

METHODS: dict[str, type[Method]] = {
    "hfru": hfru.HFRU, "pubg": PUBG, "mmunlearner": MMUnlearner, "ga": GradientAscent,
    "graddiff": GradDiff, "klmin": KLMin, "npo": NPO, "simnpo": SimNPO, "idknll": IdkNLL,
    "idkpo": IdkPO, "idkap": IdkAP, "me": MaxEntropy, "evasive": Evasive, "rmu": RMU,
    "undial": Undial, "siu": SIU, "ga-pd": GAPD, "graddiff-pd": GDPD, "kl-pd": KLPD,
    "idk-pd": IdkPD, "icu": ICU, "eul": EUL, "ssiuu": Ssiuu, "su": ScopeAware, "salun": SalUn,
    "manu": MANU, "leace": LEACE, "rmuse": RMUSE, "nspu": Anonymised,
}  # fmt: skip


FULL = 0.2  # of LoRA's learning rate: an entry of its factors moves a weight about so far


def configured(
    method: str, preset: str, forget: Sequence[Concept], **changes: Any
) -> UnlearnConfig:
    """The settings of a request: HFRU's presets, or what another method's paper gives.

    `changes` that are None leave a setting as it is. Raises where method, preset or scope do not
    exist or do not fit each other.
    """
    if method not in METHODS:
        raise UserError(f"Unknown method '{method}'. Use one of: {', '.join(METHODS)}.")
    kind = METHODS[method]
    if method == "hfru":
        config = hfru.preset(preset, forget, **changes)
    elif preset != "default":
        raise UserError(f"Only hfru has presets; {method} runs as published. Leave --preset out.")
    else:
        given = {k: v for k, v in changes.items() if v is not None}
        config = PUBLISHED.with_(method=method, scope=kind.scope, **kind.changes).with_(**given)
    if config.full:
        config = config.with_(lr=FULL * config.lr, grpo_lr=FULL * config.hfru.grpo_lr)
    if config.scope not in kind.scopes:
        raise UserError(
            f"{kind.label} does not run with scope '{config.scope}'. "
            f"Use one of: {', '.join(kind.scopes)}."
        )
    return config


__all__ = ["METHODS", "EditedMethod", "TrainedMethod", "configured"]

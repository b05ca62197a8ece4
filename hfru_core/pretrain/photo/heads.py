"""Direct questions to the tower, which are thrown away after it has learned to see by them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from hfru_core.data.authors import PACS_STYLES
from hfru_core.pretrain.photo import captions
from hfru_core.pretrain.photo.colours import NAMES as COLOURS
from hfru_core.pretrain.photo.features import Head
from hfru_core.pretrain.photo.names import of_kind
from hfru_core.pretrain.photo.turns import Facts

STYLES = tuple(PACS_STYLES.values())
KINDS = (*of_kind(), "nothing")
NAMES = tuple(dict.fromkeys(name for names in of_kind().values() for name in names))
THINGS = tuple(line.split()[0] for line in captions.THINGS)
IGNORE = -100
KEPT = 3.0  # weight of what the tower knew before: few pictures would cost it the other classes


class Heads(nn.Module):
    """Linear heads on the mean of the last map (B, D); the tower's own classifier is fixed."""

    def __init__(self, own: Head) -> None:
        super().__init__()
        self.own = own
        answers = {"name": NAMES, "kind": KINDS, "style": STYLES, "colour": COLOURS}
        sizes = {group: len(values) for group, values in answers.items()} | {"things": len(THINGS)}
        self.heads = nn.ModuleDict(
            {group: nn.Linear(own[0].shape[1], size) for group, size in sizes.items()}
        )

    def loss(
        self, maps: torch.Tensor, seen: Sequence[Facts], before: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The loss of every group; `before` (B, 1000) is what the tower's classifier said once."""
        mean = maps.mean((2, 3))
        found = {
            group: choice(self.heads[group](mean), [index(seen_of(f, group), group) for f in seen])
            for group in ("name", "kind", "style", "colour")
        }
        told = torch.tensor([[float(t in tells(f)) for t in THINGS] for f in seen])
        rows = torch.tensor([bool(f.captions) for f in seen])
        if rows.any():
            found["things"] = 6 * F.binary_cross_entropy_with_logits(
                self.heads["things"](mean[rows]), told[rows]
            )
        clear = torch.tensor([f.style == "photo" and bool(f.name or f.captions) for f in seen])
        if clear.any():
            said = F.log_softmax(F.linear(mean[clear], *self.own), -1)
            kl = F.kl_div(said, before[clear].softmax(-1), reduction="batchmean")
            found["own"] = KEPT * kl
        return found


def seen_of(facts: Facts, group: str) -> str | None:
    """A group's right answer, or None where nothing is known."""
    if group == "name":
        return facts.name.name if facts.name else None
    if group == "kind":
        unclear = not facts.captions and facts.kind is None
        return "nothing" if unclear else facts.kind
    return facts.style if group == "style" else facts.colour


def index(value: str | None, group: str) -> int:
    table = {"name": NAMES, "kind": KINDS, "style": STYLES, "colour": COLOURS}[group]
    return table.index(value) if value is not None else IGNORE


def choice(logits: torch.Tensor, target: list[int]) -> torch.Tensor:
    """Cross-entropy over the rows that have an answer; 0 where none has."""
    wanted = torch.tensor(target)
    if not (wanted != IGNORE).any():
        return logits.sum() * 0
    return F.cross_entropy(logits, wanted, ignore_index=IGNORE)


def tells(facts: Facts) -> frozenset[str]:
    return frozenset(captions.agreed(facts.captions)) if facts.captions else frozenset()

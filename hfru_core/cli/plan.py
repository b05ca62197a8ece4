"""The command `plan`: what a session with a model costs, before anything is loaded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hfru_core.cli.options import add_output
from hfru_core.paths import chosen

if TYPE_CHECKING:
    from hfru_core.model.cost import Cost

GB = 1e9


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", nargs="?", help="photo, a folder, or a Hub id (default: the bundled)")
    p.add_argument("--revision", help="commit, tag or branch of a model from the Hub")
    add_output(p)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Count, and print for people unless JSON is wanted."""
    from hfru_core.model import cost

    found = cost.of(chosen(args.model), args.revision)
    memory = rows(found)
    if not args.json:
        print("\n".join(told(found, memory)))
    parts = {n: getattr(found, n) for n in ("tower", "projector", "decoder", "other", "adapter")}
    counts = {"values": found.values, **parts, "image_tokens": found.tokens}
    return {"model": found.name, "family": found.family, **counts, "memory": memory}


def rows(cost: Cost) -> list[dict[str, Any]]:
    """GB of each way to store the decoder: weights, one picture of a step, a default session."""
    from hfru_core.config import UnlearnConfig
    from hfru_core.model.cost import BYTES

    def gb(size: float | None) -> float | None:
        return None if size is None else round(size / GB, 2)

    return [
        {
            "decoder": kind,
            "checkpointing": twice,
            "weights_gb": gb(cost.weights(kind)),
            "picture_gb": gb(cost.picture(twice)),
            "session_gb": gb(cost.session(kind, twice, UnlearnConfig())),
        }
        for kind in BYTES
        for twice in (False, True)
    ]


def told(cost: Cost, memory: list[dict[str, Any]]) -> list[str]:
    """The lines for people."""
    parts = ", ".join(
        f"{name} {getattr(cost, name) / 1e6:,.1f} M"
        for name in ("tower", "projector", "decoder", "other")
    )
    lines = [
        f"{cost.name} ({cost.family}): {cost.values / 1e6:,.1f} M values: {parts}",
        f"a picture of 448 x 448 pixels: {cost.tokens} image tokens, {cost.patches} patches",
        "",
        f"{'decoder':8} {'checkpointing':13} {'weights':>10} {'+ a picture':>12} {'session':>10}",
    ]
    for row in memory:
        sizes = (row["weights_gb"], row["picture_gb"], row["session_gb"])
        cells = ["not known" if s is None else f"{s:.2f} GB" for s in sizes]
        twice = "yes" if row["checkpointing"] else "no"
        lines.append(f"{row['decoder']:8} {twice:13} {cells[0]:>10} {cells[1]:>12} {cells[2]:>10}")
    return [*lines, "", "session: a step of the preset `default` on a GPU, all pictures at once"]

"""What was changed where, in a sentence or two: the first thing to know of an unlearned model."""

from __future__ import annotations

from collections.abc import Sequence

from audit.base import Finding
from audit.keys import FindingKey

ROUNDING = 0.005  # a whole part moved by less may have been stored in another format


def what_changed(findings: Sequence[Finding]) -> list[str]:
    """The parts that were changed and those that were not; nothing of reports without weights."""
    changed, moved = (values(findings, k) for k in (FindingKey.CHANGED, FindingKey.MOVED))
    if not changed:
        return []
    touched = [part for part, (share, _) in changed.items() if share]
    same = [part for part in changed if part not in touched]
    if not touched:
        return ["No weight differs from the original's: this is the original."]
    parts = [told(part, *changed[part], moved[part][0]) for part in touched]
    rest = f" Bit by bit the original's: {listed(same)}." if same else ""
    return [f"Changed: {listed(parts)}.{rest}", *warning(touched)]


def values(findings: Sequence[Finding], key: FindingKey) -> dict[str, tuple[float, int]]:
    """The unlearned model's number of each part, and of how many tensors."""
    return {
        dict(f.params)["part"]: (f.unlearned.value, f.unlearned.n)
        for f in findings
        if f.key == key and f.unlearned.value is not None
    }


def told(part: str, share: float, tensors: int, moved: float) -> str:
    rounding = ", no more than rounding does" if share == 1 and moved < ROUNDING else ""
    return (
        f"the {part} ({round(share * tensors)} of {tensors} tensors, by {moved:.2%} of its "
        f"norm{rounding})"
    )


def warning(touched: Sequence[str]) -> list[str]:
    """What a model is whose tower was left alone."""
    if "tower" in touched:
        return []
    where = listed([f"the {part}" for part in touched])
    verb = "differs" if len(touched) == 1 else "differ"
    return [
        f"This is no unlearning of vision: only {where} {verb}, and the tower is the original's. "
        "It sees what the original sees; what may be gone is the way to say it."
    ]


def listed(items: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)

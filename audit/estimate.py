"""What an audit will take, told before it starts: memory by its rule, time by a few answers."""

from __future__ import annotations

import time

from audit.base import Case
from hfru_core.data.source import load_image
from hfru_core.model.vlm import VLM

TRIED = 8  # answers that are timed
# Answers that the standard audit costs for each forget picture and model, what else it computes
# counted as answers; and how many times as much the attacks that train take.
ANSWERS, DEEP = 60, 3
GB = 2**30
BESIDE = 1.5 * GB  # libraries, pictures and what a pass computes


def estimated(case: Case, pictures: int, deep: bool) -> str:
    """Time and memory in a sentence."""
    with case.using("base") as base:
        each, weights = seconds_of_an_answer(case, base), bytes_of(base)
    seconds = each * ANSWERS * pictures * len(case.models) * (DEEP if deep else 1)
    memory = weights * (5 if deep else 1.2) + BESIDE
    return f"About {readable(seconds)} on this machine, and up to {memory / GB:.1f} GB of memory."


def seconds_of_an_answer(case: Case, vlm: VLM) -> float:
    """The time of an answer among several at once."""
    rows = [s for s in case.data.select("forget", "eval") if s.image and s.topic == "name"][:TRIED]
    images, questions = [load_image(str(s.image)) for s in rows], [s.question for s in rows]
    vlm.answer(images[:1], questions[:1])  # the first one warms up
    began = time.perf_counter()
    vlm.answer(images, questions)
    return (time.perf_counter() - began) / max(1, len(rows))


def bytes_of(vlm: VLM) -> int:
    """The memory of a model's weights."""
    return sum(p.nbytes for p in vlm.core.parameters())


def readable(seconds: float) -> str:
    """'40 seconds', '12 minutes', '3 hours'."""
    for size, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"

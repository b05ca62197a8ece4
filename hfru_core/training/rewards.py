"""Rewards: pure functions of a sample and an answer, by rule; `None` means "does not apply".

HFRU, arXiv 2605.08031, repository XMUDeepLIT/HFRU, src/reward/{pacs,vgg}.py. Stated deviation:
words are matched by word boundaries (`concepts.mentions`), where the paper's code counts
substrings ("men" in "moment"). Ours, off in the `paper` preset: a cost for naming a wrong sibling,
which the paper never punishes ("a cat, a cute pet" earns its full reward), and a bonus for the
attributes that stay true.
"""

from __future__ import annotations

from hfru_core import concepts as words
from hfru_core.config import HFRUSettings
from hfru_core.types import Concept, Sample

Parts = dict[str, float | None]


def score(
    sample: Sample, text: str, concept: Concept, forgotten: tuple[Concept, ...], cfg: HFRUSettings
) -> Parts:
    """The reward's parts for one answer; their sum is the reward."""
    if sample.role == "forget":
        return {
            "forget": forget(sample, text, forgotten, cfg.mention_cost),
            "abstraction": cfg.abstraction_bonus * (words.mentions(text, concept.abstractions) > 0),
            "sibling": -cfg.sibling_cost * wrong(sample, text, forgotten),
            "attributes": attributes(sample, text, cfg.attribute_bonus),
        }
    return {
        "retain": retain(sample, text, concept),
        "attributes": attributes(sample, text, cfg.attribute_bonus),
    }


def forget(sample: Sample, text: str, forgotten: tuple[Concept, ...], cost: float) -> float:
    """max(0, 1 - k * mentions); 'yes' to a question after the concept earns nothing."""
    count = sum(words.names_concept(text, c, sample.topic) for c in forgotten)
    return 0.0 if count and sample.topic == "exists" else max(0.0, 1.0 - cost * count)


def retain(sample: Sample, text: str, concept: Concept) -> float | None:
    """min(1, mentions); None for questions whose answer does not name the concept."""
    if sample.topic in ("colour", "place"):
        return None
    return float(min(1, words.names_concept(text, concept, sample.topic)))


def wrong(sample: Sample, text: str, forgotten: tuple[Concept, ...]) -> int:
    """1 where the answer names something specific that is not there."""
    return int(any(words.wrong_names(text, c, sample.names) for c in forgotten))


def attributes(sample: Sample, text: str, bonus: float) -> float | None:
    """The share of true attributes that the answer states, times `bonus`."""
    if not bonus or not sample.attributes:
        return None
    stated = sum(words.mentions(text, (a,)) > 0 for a in sample.attributes)
    return bonus * stated / len(sample.attributes)


def total(parts: Parts) -> float:
    """The reward: the sum of the parts that apply."""
    return sum(p for p in parts.values() if p is not None)

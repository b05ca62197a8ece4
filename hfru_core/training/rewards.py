"""Rewards: pure functions of a sample and an answer, by rule; `None` means "does not apply".

HFRU, arXiv 2605.08031, repository XMUDeepLIT/HFRU, src/reward/{pacs,vgg}.py. Stated deviation:
words are matched by word boundaries (`language.mentions`), where the paper's code counts
substrings ("men" in "moment"). Ours, off in the `paper` preset: answers are judged as sentences
(`protocol.judge`: "no dog" does not name a dog), one that is empty, loops, refuses or lists names
earns nothing, naming a wrong sibling costs, which the paper never punishes ("a cat, a cute pet"
earns its full reward), and attributes that stay true earn a bonus.
"""

from __future__ import annotations

from hfru_core.config import HFRUSettings
from hfru_core.language.mentions import mentions
from hfru_core.language.replies import is_degenerate, refuses, said_yes
from hfru_core.protocol import judge
from hfru_core.protocol.judge import stated
from hfru_core.types import Concept, Sample

Parts = dict[str, float | None]
MANY = 2  # wrong names that make an answer a list


def score(
    sample: Sample, text: str, concept: Concept, forgotten: tuple[Concept, ...], cfg: HFRUSettings
) -> Parts:
    """The reward's parts for one answer; their sum is the reward."""
    about = forgotten if sample.role == "forget" else (concept,)
    if cfg.sentences and worthless(sample, text, about):
        return {sample.role: 0.0}
    if sample.role == "forget":
        return {
            "forget": forget(sample, text, forgotten, cfg),
            "abstraction": cfg.abstraction_bonus * says(text, concept.abstractions, cfg),
            "sibling": -cfg.sibling_cost * wrong(sample, text, forgotten),
            "attributes": attributes(sample, text, cfg.attribute_bonus),
        }
    return {
        "retain": retain(sample, text, concept, cfg),
        "attributes": attributes(sample, text, cfg.attribute_bonus),
    }


def worthless(sample: Sample, text: str, about: tuple[Concept, ...]) -> bool:
    """Whether an answer says nothing: it is empty, loops, refuses or lists names."""
    if is_degenerate(text) or refuses(text):
        return True
    return any(len(wrong_words(sample, text, c)) >= MANY for c in about)


def says(text: str, listed: tuple[str, ...], cfg: HFRUSettings) -> bool:
    """Whether an answer says one of the words, and in sentences that it is there."""
    return (stated(text, listed) if cfg.sentences else mentions(text, listed)) > 0


def named(sample: Sample, text: str, concept: Concept, cfg: HFRUSettings) -> int:
    """How often an answer names a concept; 'yes' to "is there any ...?" counts once."""
    if cfg.sentences:
        return judge.names(text, concept, sample.topic)
    return mentions(text, concept.aliases) + (sample.topic == judge.EXISTS and said_yes(text))


def forget(sample: Sample, text: str, forgotten: tuple[Concept, ...], cfg: HFRUSettings) -> float:
    """max(0, 1 - k * mentions); 'yes' to a question after the concept earns nothing."""
    count = sum(named(sample, text, c, cfg) for c in forgotten)
    exists = sample.topic == judge.EXISTS
    return 0.0 if count and exists else max(0.0, 1.0 - cfg.mention_cost * count)


def retain(sample: Sample, text: str, concept: Concept, cfg: HFRUSettings) -> float | None:
    """min(1, mentions); None for questions whose answer does not name the concept."""
    if sample.topic in ("colour", "place"):
        return None
    return float(min(1, named(sample, text, concept, cfg)))


def wrong(sample: Sample, text: str, forgotten: tuple[Concept, ...]) -> int:
    """1 where the answer names something specific that is not there."""
    return int(any(wrong_words(sample, text, c) for c in forgotten))


def wrong_words(sample: Sample, text: str, concept: Concept) -> set[str]:
    """The siblings of a concept that an answer names and that are not in the image."""
    return {f.word for f in judge.wrong_names(text, concept, sample.names) if f.counts}


def attributes(sample: Sample, text: str, bonus: float) -> float | None:
    """The share of true attributes that the answer states, times `bonus`."""
    if not bonus or not sample.attributes:
        return None
    return bonus * sum(mentions(text, (a,)) > 0 for a in sample.attributes) / len(sample.attributes)


def total(parts: Parts) -> float:
    """The reward: the sum of the parts that apply."""
    return sum(p for p in parts.values() if p is not None)

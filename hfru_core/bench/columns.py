"""What the benchmark's columns are called, which way is better, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ARROWS = {"higher": "↑", "lower": "↓", "info": ""}
BETTER = {"higher": "higher is better", "lower": "lower is better", "info": "neither is better"}
MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A measure: its key in `bench.json`, what it is called, which way is better, and its unit."""

    key: str
    label: str
    direction: Literal["higher", "lower", "info"]
    meaning: str
    unit: Literal["share", "steps", "s", "MB"] = "share"

    @property
    def title(self) -> str:
        """The label with its arrow."""
        return f"{self.label} {ARROWS[self.direction]}".strip()

    def text(self, value: float | None) -> str:
        """A value with its unit; what was not measured is a dash, never 0."""
        if value is None:
            return MISSING
        if self.unit == "share":
            return f"{100 * value:.1f} %"
        if self.unit == "steps":
            return f"{value:.1f}".removesuffix(".0")
        return f"{value:,.0f} {self.unit}"


BEHAVIOUR = (
    Column("forget", "Forgotten", "higher",
           "answers on pictures of the concept that do not name it"),
    Column("retain", "Retained", "higher",
           "right names on all other pictures, as a share of the original model's"),
    Column("hallucination", "Hallucinated", "lower",
           "answers on pictures of the concept that name something that is not there"),
    Column("abstraction", "Abstracted", "higher",
           "answers on pictures of the concept that say the kind instead of the name"),
    Column("attributes", "Attributes", "higher",
           "true colours, places and clothes still told, as a share of the original model's"),
    Column("facts", "Facts", "higher",
           "questions without a picture answered rightly, as a share of the original model's"),
    Column("profile", "Profiles told", "lower",
           "MLLMU-Bench's and CLEAR's own questions about forgotten people's pictures that are "
           "still answered rightly, those with short answers; letters are guessed now and then"),
    Column("retain_profile", "Profiles kept", "higher",
           "the same about other people, as a share of the original model's"),
    Column("polite", "With its words", "higher",
           "right names when a question carries the common words that the forget questions had "
           "(malicious request), as a share of the original model's"),
    Column("refusal", "Refused", "info",
           "answers that decline, of all about pictures of the concept and others"),
    Column("degenerate", "Broken", "lower",
           "answers that are empty or repeat themselves, of all about pictures of the concept "
           "and others"),
)  # fmt: skip
LEAKAGE = (
    Column("probe", "Probe", "lower",
           "right guesses of a classifier that saw a few pictures, from what the decoder reads; "
           "the oracle's number is what can be reached; of the weights alone"),
    Column("nf4", "In 4 bits", "lower",
           "answers that name the concept again once the weights are rounded to 4 bits; of the "
           "weights alone, without what else changes answers (R-MUSE, the output filter)"),
    Column("in_context", "In context", "lower",
           "answers that name the concept again after it was introduced in the prompt"),
    Column("relearned", "Relearned", "lower",
           "answers that name the concept after 4 and 8 steps on 16 of its pictures (the mean), "
           "less those that name it on other pictures; of the weights alone"),
    Column("relearn_steps", "Relearning", "higher",
           "steps until half as much is named as by the original model, of 0, 1, 2, 4, 8, 16 "
           "and 24 (24: or never); of the weights alone", "steps"),
)  # fmt: skip
COSTS = (
    Column("seconds", "Time", "lower", "seconds until the unlearned model was there", "s"),
    Column(
        "peak_mb",
        "Memory",
        "lower",
        "most memory of the process while it unlearned, with other models that it held",
        "MB",
    ),
)
COLUMNS = BEHAVIOUR + LEAKAGE + COSTS
BY_KEY = {c.key: c for c in COLUMNS}

"""The benchmark's columns: their names, which way is better, and what they mean."""

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
           "answers about pictures of the concept that do not name it"),
    Column("retain", "Retained", "higher",
           "correct names for all other pictures, as a share of the original model's"),
    Column("hallucination", "Hallucinated", "lower",
           "answers about pictures of the concept that name something that is not there"),
    Column("abstraction", "Abstracted", "higher",
           "answers about pictures of the concept that say the category instead of the name"),
    Column("attributes", "Attributes", "higher",
           "true colours, places and clothes still mentioned, as a share of the original model's"),
    Column("facts", "Facts", "higher",
           "text-only questions answered correctly, as a share of the original model's"),
    Column("facts_rouge", "Facts, ROUGE-L", "info",
           "ROUGE-L of the answers to these questions and the right ones"),
    Column("profile", "Profile answers", "lower",
           "MLLMU-Bench's and CLEAR's own short questions about pictures of forgotten people that "
           "are still answered correctly; a letter may be guessed"),
    Column("retain_profile", "Profiles kept", "higher",
           "the same for other people, as a share of the original model's"),
    Column("polite", "Same wording", "higher",
           "correct names for other pictures when a question has the common words of the forget "
           "questions (malicious request), as a share of the original model's"),
    Column("refusal", "Refused", "info",
           "answers about any picture that decline"),
    Column("degenerate", "Broken", "lower",
           "answers about any picture that are empty or repeat themselves"),
)  # fmt: skip
LEAKAGE = (
    Column("probe", "Probe", "lower",
           "accuracy of a few-shot probe on projected image tokens; the oracle is the floor; "
           "measures the weights alone"),
    Column("nf4", "In 4 bits", "lower",
           "answers that name the concept again once the weights are rounded to 4 bits; measures "
           "the weights alone, without what else changes answers (R-MUSE, the output filter)"),
    Column("in_context", "In context", "lower",
           "answers that name the concept again after the prompt introduced it"),
    Column("relearned", "Back after 4-8 steps", "lower",
           "answers that name the concept after relearning for 4 and for 8 steps on 16 of its "
           "pictures (mean), minus the share for other pictures; measures the weights alone"),
    Column("relearn_steps", "Steps until half is back", "higher",
           "relearning steps until the concept is named half as often as by the original model, of "
           "0, 1, 2, 4, 8, 16 and 24 (24: or never); measures the weights alone", "steps"),
)  # fmt: skip
COSTS = (
    Column("seconds", "Time", "lower", "seconds until the unlearned model was ready", "s"),
    Column(
        "peak_mb",
        "Memory",
        "lower",
        "peak memory during unlearning, including other models in the process",
        "MB",
    ),
)
COLUMNS = BEHAVIOUR + LEAKAGE + COSTS
BY_KEY = {c.key: c for c in COLUMNS}

"""The tables of docs/audit.md: shipped deep audits side by side, made from their reports."""

from __future__ import annotations

from pathlib import Path

from audit.base import Finding, Measure
from audit.criteria import title as title_of
from audit.keys import FindingKey
from audit.report.json_file import read
from audit.report.report import Report

# In the order of the table: our presets, each with the folder of its report.
THINGS = {
    "default": "audit-dog-elephant",
    "paper": "audit-dog-elephant-paper",
    "deep": "audit-dog-elephant-deep",
}
PEOPLE = {
    "default": "audit-tobin_harrick-ilsa_torvane-dario_fent",
    "paper": "audit-people-paper",
    "deep": "audit-people-deep",
}
NEVER = 24.0  # steps of relearning after which it is not tried further
K = FindingKey
# A title, what it measures, and the parameters that tell it from others of its key.
ROWS: tuple[tuple[str, FindingKey, dict[str, str]], ...] = (
    ("named when asked", K.NAMED, {}),
    ("hallucinated", K.HALLUCINATED, {}),
    ("probe on 4 to 32 images, what the decoder reads", K.WORD_FEW, {}),
    ("the same, best layer", K.WORD_FEW_BEST, {}),
    ("single image tokens name it", K.TOKENS_NAME_IT, {}),
    ("drawings from the tokens are named", K.DRAWN, {}),
    ("named after 4 to 8 steps on 16 images, all weights", K.RELEARNED, {"weights": "all"}),
    ("the same, tower alone", K.RELEARNED, {"weights": "tower"}),
    ("steps until half is named again", K.RELEARN_STEPS, {"weights": "all"}),
    ("named after PGD of 4/255", K.PGD, {"L-inf": "4/255"}),
    ("named after PGD of 8/255", K.PGD, {"L-inf": "8/255"}),
    ("named in int8", K.NAMED_INT8, {}),
    ("named in nf4", K.NAMED_NF4, {}),
    ("co-occurring objects named", K.RETAINED_BESIDE, {}),
    ("siblings named", K.RETAINED_NEAR, {}),
)
ATTACK = {"lesson": "forget", "pictures": "16"}  # of the relearning attacks


def table(reports: Path, title: str, folders: dict[str, str]) -> list[str]:
    """Its header and a row for each finding that the reports have."""
    found = {preset: read(reports / folder) for preset, folder in folders.items()}
    heads = (title, "n", "base", *(f"`{preset}`" for preset in folders), "oracle")
    rows = (row(name, [one(r, key, params) for r in found.values()]) for name, key, params in ROWS)
    return [line(*heads), "|---" * len(heads) + "|", *filter(None, rows)]


def one(report: Report, key: FindingKey, params: dict[str, str]) -> tuple[Finding, bool] | None:
    """The finding of a report, and whether it decided the verdict; None where there is none."""
    wanted = params | (ATTACK if key in (K.RELEARNED, K.RELEARN_STEPS) else {})
    for f in report.findings:
        if f.key == key and wanted.items() <= dict(f.params).items():
            return f, report.verdict.state != "clear" and title_of(f) in report.verdict.reasons
    return None


def row(name: str, found: list[tuple[Finding, bool] | None]) -> str | None:
    if found[0] is None:
        return None
    first = found[0][0]
    cells = [bold(cell(f[0].unlearned, f[0].key), f[1]) if f else "-" for f in found]
    base = cell(first.base, first.key).partition(" (")[0]
    return line(name, first.base.n, base, *cells, cell(first.oracle, first.key))


def cell(measure: Measure | None, key: FindingKey) -> str:
    """In % with its interval; or a number of steps."""
    if measure is None or measure.interval is None:
        return "-"
    if key == K.RELEARN_STEPS:
        return f"{measure.value:.0f}" + " or more" * (measure.interval.value >= NEVER)
    value, low, high = (100 * v for v in measure.interval)
    return f"{value:.0f} ({low:.0f} to {high:.0f})"


def bold(text: str, decided: bool) -> str:
    return f"**{text}**" if decided else text


def line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"

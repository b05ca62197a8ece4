"""The tables of docs/audit.md: shipped deep audits side by side, made from their reports."""

from __future__ import annotations

import json
from pathlib import Path

Finding = dict[str, dict]
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
FEW = "few pictures, against what shares its word: "
AGAIN = "named after 4 and 8 steps on 16 forgotten pictures, "
ROWS = {  # title: an audit and its finding
    "named when asked": ("behavior", "named"),
    "hallucinated": ("behavior", "hallucinated substitutions"),
    "probe on 4 to 32 images, what the decoder reads": ("probes", FEW + "what the decoder reads"),
    "the same, best layer": ("probes", FEW + "best layer"),
    "single image tokens name it": ("lens", "single image tokens name it"),
    "drawings from the tokens are named": ("reconstruct", "the concept is in the drawing"),
    "named after 4 to 8 steps on 16 images, all weights": ("relearn", AGAIN + "all weights"),
    "the same, tower alone": ("relearn", AGAIN + "tower only"),
    "steps until half is named again": (
        "relearn",
        "steps to half of the base's naming on 16 forgotten pictures, all weights",
    ),
    "named after PGD of 4/255": ("images", "forgotten pictures named after PGD of 4/255"),
    "named after PGD of 8/255": ("images", "forgotten pictures named after PGD of 8/255"),
    "named in int8": ("quantize", "named in int8"),
    "named in nf4": ("quantize", "named in nf4"),
    "co-occurring objects named": ("behavior", "retained thing beside it named"),
    "siblings named": ("behavior", "near neighbours named"),
}


def table(reports: Path, title: str, folders: dict[str, str]) -> list[str]:
    """Its header and a row for each finding that the reports have."""
    found = {preset: report(reports / folder) for preset, folder in folders.items()}
    first = found["default"][0]
    heads = (title, "n", "base", *(f"`{preset}`" for preset in folders), "oracle")
    rows = [
        row(name, key, found) for name, key in ROWS.items() if key in first and first[key]["base"]
    ]
    return [line(*heads), "|---" * len(heads) + "|", *rows]


def report(folder: Path) -> tuple[dict[tuple[str, str], Finding], tuple[str, ...]]:
    """The findings of a report by audit and name, and those that decided its verdict."""
    read = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    findings = {(f["audit"], f["name"]): f for f in read["findings"]}
    decided = read["verdict"]["reasons"] if read["verdict"]["state"] != "clear" else ()
    return findings, tuple(decided)


def row(name: str, key: tuple[str, str], found: dict) -> str:
    first = found["default"][0][key]
    cells = [
        bold(cell(findings[key]["unlearned"], key), ": ".join(key) in decided)
        for findings, decided in found.values()
    ]
    base = cell(first["base"], key).partition(" (")[0]
    return line(name, first["base"]["n"], base, *cells, cell(first["oracle"], key))


def cell(measure: dict, key: tuple[str, str]) -> str:
    """In % with its interval; or a number of steps."""
    if key[1].startswith("steps"):
        value = measure["value"]
        return f"{value:.0f}" + " or more" * (value >= NEVER)
    value, low, high = (100 * measure[k] for k in ("value", "low", "high"))
    return f"{value:.0f} ({low:.0f} to {high:.0f})"


def bold(text: str, decided: bool) -> str:
    return f"**{text}**" if decided else text


def line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"

"""A report as evidence: who asked, three answers, all samples, hashes that can be checked."""

from __future__ import annotations

import csv
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from audit import __main__ as command
from audit.base import Example, Finding
from audit.keys import FindingKey
from audit.report import csv_files, files, page, pdf
from audit.report.answers import answered, by_weight
from audit.report.report import Asked
from hfru_core.types import UserError
from tests.audit.test_report import ORACLE, finding, report_of


def judged(*rows: tuple[int, ...], **changes: object) -> Finding:
    """A finding with a sample for each row: what its rule saw in base, unlearned and oracle."""
    said = finding().examples[0]
    return finding(examples=tuple(
        replace(said, question=f"{i}?", judged=row) for i, row in enumerate(rows)
    ), **changes)  # fmt: skip


HIT, MISS = (1, 1, 1, 1, 0, 1), (1, 1, 0, 1, 0, 1)


def test_every_judged_sample_is_kept_once_and_failures_come_first() -> None:
    twice = judged(*[MISS] * 30, HIT), judged(*[MISS] * 30, MISS, key=FindingKey.NAMED, name="x")
    made = report_of(*twice)
    assert len(made.samples) == 31 and [len(f.examples) for f in made.findings] == [12, 12]
    first = made.samples[0]
    assert first.question == "30?" and first.judged == ((0, *HIT), (1, *MISS))
    text = page.page(made, "")
    assert text.count("<tr data-judged") + text.count('<tr class="screen" data-judged') == 31


def test_the_verdict_is_told_to_who_knows_no_machine_learning() -> None:
    spoken = finding(key=FindingKey.NAMED, name="named", unlearned=ORACLE)
    kept = finding(key=FindingKey.RETAINED, name="kept", kind="damage", oracle=None)
    made = report_of(finding(), spoken, kept)
    told = {a.question: (a.reply, a.behind) for a in answered(made)}
    assert told == {
        "Does it still say it?": ("no", (1,)),
        "Is it still inside?": ("yes", (0,)),
        "Does it come back?": ("not decided", ()),
        "Did it lose anything else?": ("no", (2,)),
    }
    assert by_weight(made)[0] == 0 and '<a href="#f0">' in page.page(made, "")


def test_the_files_of_a_report_can_be_checked_and_made_again(tmp_path: Path) -> None:
    made = report_of(judged(HIT, MISS))
    files.write(replace(made, asked=Asked("Ann", "for Bob")), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    sums = dict(reversed(row.split("  ")) for row in before["SHA256SUMS"].decode().splitlines())
    assert sums == {n: sha256(b).hexdigest() for n, b in before.items() if n != "SHA256SUMS"}
    for name in ("report.html", "report.md"):
        text = before[name].decode()
        assert sums["report.json"] in text and "Ann" in text and "for Bob" in text
    (tmp_path / "report.html").unlink()
    assert command.main(["render", str(tmp_path)]) == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_tables_hold_no_formula_and_every_judgement() -> None:
    spoilt = judged(HIT, MISS)
    spoilt = replace(
        spoilt, examples=(*spoilt.examples, Example(None, "=1+1", "", "@x", None, HIT))
    )
    rows = list(csv.DictReader(csv_files.samples_csv(report_of(spoilt)).splitlines()))
    assert [(r["fails"], r["unlearned hits"]) for r in rows] == [("True", "1")] * 2 + [
        ("False", "0")
    ]
    assert {"'=1+1"} < {r["question"] for r in rows} and rows[1]["unlearned"] == "'@x"
    found = list(csv.DictReader(csv_files.findings_csv(report_of(spoilt)).splitlines()))
    assert found[0]["says"] == "leak" and found[0]["unlearned value"] == "0.6"


def test_no_pdf_without_a_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="--pdf needs Chromium"):
        files.write(report_of(finding()), tmp_path, pdf=True)

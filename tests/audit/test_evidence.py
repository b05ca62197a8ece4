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
from audit.report.diff import diff, lines
from audit.report.paired import paired
from audit.report.report import Asked, Report
from hfru_core.data.drawn import key_of
from hfru_core.types import UserError
from tests.audit.test_report import ORACLE, SUBJECT, finding, report_of


def judged(*rows: tuple[int, ...], **changes: object) -> Finding:
    """A finding with a sample for each row: what its rule saw in base, unlearned and oracle."""
    said = finding().examples[0]
    keys = [key_of(0, "gallery", "dog", i) for i in range(len(rows))]
    seen = [replace(said, image=k, question=f"{k}?", judged=row) for k, row in zip(keys, rows)]
    return finding(examples=tuple(seen), **changes)


HIT, MISS = (1, 1, 1, 1, 0, 1), (1, 1, 0, 1, 0, 1)


def test_every_judged_sample_is_kept_once_and_failures_come_first() -> None:
    twice = judged(*[MISS] * 30, HIT), judged(*[MISS] * 30, MISS, key=FindingKey.NAMED, name="x")
    made = report_of(*twice)
    assert len(made.samples) == 31 and [len(f.examples) for f in made.findings] == [12, 12]
    first = made.samples[0]
    assert "30" in first.question and first.judged == ((0, *HIT), (1, *MISS))
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
    judged_before = replace(made, verdict=replace(made.verdict, state="clear"))
    assert "it would be: leak found" in page.page(judged_before, "")
    assert "it would be" not in page.page(made, "")
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


def said(*hits: int, **changes: object) -> Report:
    """A report whose unlearned model shows the thing in these of its answers."""
    return report_of(judged(*((1, 1, h, 1, 0, 1) for h in hits)), **changes)


def test_two_models_are_compared_answer_by_answer() -> None:
    a, b = said(*[1] * 10, *[0] * 10), said(*[0] * 9, 1, *[0] * 9, 1)
    (row,) = diff(a, b)["findings"]
    test = row["paired"]
    assert (test["n"], test["only_a"], test["only_b"]) == (20, 9, 1)
    assert test["p"] == test["q"] == pytest.approx(22 / 1024) and row["clear"]
    assert test["change"] == pytest.approx(-0.4) and row["low"] < -0.4 < row["high"] < 0
    text = "\n".join(lines(diff(a, b)))
    assert "of 20 answers 9 only in A, 1 only in B, p 0.021" in text and "1 differ" in text
    assert not diff(a, a)["findings"][0]["clear"]


def test_answers_about_one_picture_count_as_one_in_the_interval() -> None:
    """Ten answers about two pictures are no ten pictures."""
    rows = {("a", str(i), 0): (1, 1) for i in range(5)} | {
        ("b", str(i), 0): (0, 1) for i in range(5)
    }
    alone = {(str(i), q, 0): hits for i, ((_, q, _), hits) in enumerate(rows.items())}
    nobody = {k: (0, 1) for k in rows}, {k: (0, 1) for k in alone}
    few, many = paired(rows, nobody[0]), paired(alone, nobody[1])
    assert (few.pictures, many.pictures) == (2, 10)
    assert few.high - few.low > many.high - many.low


def test_other_samples_are_refused_and_unpaired_reports_have_intervals() -> None:
    a, b = said(1, 0), said(1, 0, subject=replace(SUBJECT, data_fingerprint="d2", seed=1))
    with pytest.raises(UserError, match=r"different samples. A: .*d1.* seed 0. B: .*d2.* seed 1"):
        diff(a, b)
    assert diff(a, b, unpaired=True)["paired"] == 0
    without = report_of(finding())
    assert "by their intervals" in "\n".join(lines(diff(without, a)))
    assert diff(a, said(1, 0, 1))["findings"][0]["paired"] is None

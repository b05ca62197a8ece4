"""The report: written, read back, compared and shown; nothing wrong is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit.base import NOTHING, Example, Finding, Measure, Series, of
from audit.keys import FindingKey
from audit.report import cards, drawings, page, plots, report
from audit.report.diff import diff
from audit.report.json_file import read, to_json
from audit.report.markdown import markdown
from audit.report.old_titles import PATTERNS, TITLES
from audit.report.report import Asked, Model, Report, Subject, make
from audit.report.rules import Words
from hfru_core.data.drawn import key_of
from hfru_core.evaluate import rate_of
from hfru_core.paths import ASSETS
from hfru_core.types import UserError

NAN = float("nan")
EVIL = "<script src='http://evil.test/x.js'></script>\"><img src=x onerror=alert(1)>"
BASE, UNLEARNED, ORACLE = (of(rate_of(hits, 100)) for hits in (95, 60, 5))
SUBJECT = Subject(
    adapter="dog",
    adapter_hash="ab" * 32,
    base=Model("hfru-studio/bundled", None, "834bc9322f"),
    oracle=Model("dog-1", None, "0123456789"),
    concepts=("dog",),
    source="world:7000",
    data_fingerprint="d1",
    pictures=64,
    seed=0,
    depth="standard",
    versions=(("torch", "2.13"),),
)


def finding(**changes: object) -> Finding:
    f = Finding(
        "probes",
        FindingKey.WORD_FEW,
        "dog can be read",
        "leak",
        "higher",
        UNLEARNED,
        BASE,
        ORACLE,
        chance=0.5,
        params=(("layer", "3"),),
        note="One layer only.",
        seconds=1.5,
        series=tuple(Series(n, (0.0, 1.0, 2.0), (0.1, None, 0.9)) for n in ("base", "unlearned")),
        examples=(Example(key_of(0, "gallery", "dog", 0), "What is it?", "A dog.", "An animal."),),
    )
    return replace(f, **changes)


SAME = finding(key=FindingKey.WORD_FEW_BEST, name="same")


def report_of(*findings: Finding, subject: Subject = SUBJECT) -> Report:
    return make(subject, findings, "2026-11-20T10:00:00+00:00", 12.345)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "report.json"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# The record


def test_what_is_written_is_read_back(written: Callable[[str], Path]) -> None:
    made = report_of(finding(), finding(kind="info", oracle=None, chance=None, error="no ünit"))
    path = written(to_json(made))
    assert read(path) == made == read(path.parent)
    assert to_json(read(path)) == to_json(made)


def test_only_timing_differs_between_equal_runs() -> None:
    slow = make(SUBJECT, [finding(seconds=9.0)], "2027-01-01T00:00:00+00:00", 99.0)
    here, there = (json.loads(to_json(r)) for r in (report_of(finding()), slow))
    assert here.pop("timing") != there.pop("timing")
    assert here == there
    lines = [set(to_json(r).splitlines()) for r in (report_of(finding()), slow)]
    assert all(line.startswith('"timing"') for line in lines[0] ^ lines[1])


@pytest.mark.parametrize("part", ["unlearned", "base", "oracle"])
@pytest.mark.parametrize(
    "bad",
    [Measure(NAN, 9, 0.0, 1.0), Measure(0.5, 9, NAN, 1.0), Measure(float("inf"), 9, 0.0, 1.0)],
)
def test_a_number_that_is_none_is_no_value_and_never_clears(part: str, bad: Measure) -> None:
    made = report_of(finding(**{part: bad}), finding(name="fine", unlearned=ORACLE))
    broken = made.findings[0]
    assert getattr(broken, part) == NOTHING and "not a finite number" in broken.error
    assert made.verdict.state == "inconclusive"
    assert any("not a finite number" in line for line in made.not_covered)
    assert "NaN" not in to_json(made) and "Infinity" not in to_json(made)


def test_nan_in_a_curve_is_a_gap() -> None:
    curve = Series("base", (0, 1), (NAN, 0.5))
    made = report_of(finding(series=(curve,), chance=NAN))
    assert made.findings[0].series[0].y == (None, 0.5)
    assert made.findings[0].chance is None and made.findings[0].error is None


def test_numpy_numbers_become_plain_ones() -> None:
    numpy = pytest.importorskip("numpy")
    m = Measure(numpy.float32(0.5), numpy.int64(4), numpy.float32(0.25), numpy.float32(0.75))
    curve = Series("base", tuple(numpy.arange(2)), tuple(numpy.ones(2, numpy.float32)))
    text = to_json(report_of(finding(unlearned=m, series=(curve,))))
    assert json.loads(text)["findings"][0]["unlearned"] == {
        "value": 0.5,
        "n": 4,
        "low": 0.25,
        "high": 0.75,
    }


def test_it_names_what_it_is_about_and_what_it_left_out() -> None:
    failed = Finding("lens", FindingKey.FAILED, "failed", "info", "higher", error="ValueError: x")
    silent = finding(name="silent", base=ORACLE)
    made = make(SUBJECT, [finding(), failed, silent], "2026", 1.0, ["Not run: relearn."])
    for text in (markdown(made, ""), page.page(made, "")):
        for part in (
            "ab" * 32,
            "834bc9322f",
            "dog-1",
            "world:7000",
            "d1",
            "torch 2.13",
            "seed 0",
            "Not run: relearn.",
            "ValueError: x",
            "silent",
            "switch",
        ):
            assert part in text, part


# A reader that believes nothing

# fmt: off
WRONG = {
    "schema": (lambda v: v.update(schema=2), "schema: expected 1, got 2"),
    "no schema": (lambda v: v.pop("schema"), "schema: expected 1, got None"),
    "missing": (lambda v: v.pop("verdict"), "report: expected the fields .* got 'verdict'"),
    "extra": (lambda v: v["subject"].update(mood=1), "subject: expected the fields .* got 'mood'"),
    "state": (lambda v: v["verdict"].update(state="fine"), "verdict.state: expected one of clear"),
    "text": (lambda v: v["subject"].update(seed="0"), "subject.seed: expected a int, got '0'"),
    "truth": (lambda v: v["findings"][0]["unlearned"].update(value=True), "expected a float"),
    "list": (lambda v: v.update(findings={}), "findings: expected a list"),
    "object": (lambda v: v.update(findings=[1]), r"findings\[0\]: expected an object"),
    "pair": (lambda v: v["findings"][0].update(params=[["a"]]), r"params\[0\]: expected 2 entries"),
    "kind": (lambda v: v["findings"][0].update(kind="bad"), "kind: expected one of leak"),
    "key": (lambda v: v["findings"][0].update(key="x"), "key: expected a FindingKey, got 'x'"),
    "no key": (lambda v: v["findings"][0].pop("key"), "'dog can be read' is not a title of old"),
    "drawing": (lambda v: v["findings"][0]["series"][0].update(kind="x"), "one of curve, flow"),
    "timing": (lambda v: v["timing"].update(findings=[]), "one number for each finding"),
    "reason": (lambda v: v["verdict"].update(reasons=["x: y"]), "no finding is called 'x: y'"),
}
# fmt: on


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_report_is_refused_by_name(case: str, written: Callable[[str], Path]) -> None:
    values = json.loads(to_json(report_of(finding())))
    spoil, message = WRONG[case]
    spoil(values)
    with pytest.raises(UserError, match=message) as error:
        read(written(json.dumps(values)))
    assert "schema 1" in str(error.value) and "make it again" in str(error.value)


@pytest.mark.parametrize("path", sorted((ASSETS / "reports").glob("audit-*")), ids=lambda p: p.name)
def test_a_report_from_before_there_were_keys_is_read(path: Path) -> None:
    old = json.loads((path / "report.json").read_text(encoding="utf-8"))
    new = json.loads(to_json(read(path)))
    for listed, f in zip(old["findings"], new["findings"], strict=True):
        given = {"key": f["key"]} if "key" not in listed else {}
        kinds = [s.pop("kind") if "kind" not in o else s["kind"]
                 for s, o in zip(f["series"], listed["series"], strict=True)]  # fmt: skip
        for e, o in zip(f["examples"], listed["examples"], strict=True):
            assert "judged" in o or e.pop("judged") == []
        assert f == listed | given
        assert set(kinds) <= {"curve", "flow", "points", "heat"}
    new["subject"] = {k: v for k, v in new["subject"].items() if k in old["subject"]}
    assert {k: new[k] for k in old if k != "findings"} == {
        k: v for k, v in old.items() if k != "findings"
    }


def test_old_titles_lead_to_every_key() -> None:
    found = {f.key for path in (ASSETS / "reports").glob("audit-*") for f in read(path).findings}
    k = FindingKey
    since = {k.CHANGED, k.MOVED, k.ELIGIBLE, k.WORD_LISTS, k.SAMPLED, k.WORST_GROUP, k.CODE_WORD}
    since |= {
        k.CONFUSION,
        k.MARKED,
        k.RETAINED_WORST,
        k.READ_TOWER,
        k.READ_PROJECTOR,
        k.PATCH,
        k.WORD_TOKENS,
        k.CONCEPT_NAMED,
    }
    assert found | {*TITLES.values(), *PATTERNS.values()} == {*FindingKey} - since


def test_old_series_are_drawn_as_before() -> None:
    found = {f.key: f for f in read(ASSETS / "reports" / "audit-dog-elephant-deep").findings}
    assert plots.flows(found[FindingKey.HALLUCINATED])
    assert list(plots.maps(found[FindingKey.EMBEDDING_MAP])) == ["base", "unlearned", "oracle"]
    assert len(plots.heat(found[FindingKey.TOKENS_NAME_IT])) == 4
    assert len(plots.curves(found[FindingKey.RELEARNED])) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON"),
        ("{", "not a JSON"),
        ("[]", "schema"),
        ("3", "schema"),
        ('{"schema": NaN}', "NaN is not a number"),
    ],
)
def test_what_is_no_report_is_refused(
    text: str, message: str, written: Callable[[str], Path]
) -> None:
    with pytest.raises(UserError, match=message):
        read(written(text))


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read(tmp_path)


# The difference of two


def test_diff_tells_what_changed_and_how_surely() -> None:
    before = report_of(finding(), SAME, finding(key=FindingKey.LEACE, name="gone"))
    after = report_of(
        finding(unlearned=ORACLE, name="dog can be read, in other words"),
        SAME,
        finding(key=FindingKey.BITS, name="new"),
        subject=replace(SUBJECT, seed=1),
    )
    found = diff(before, after)
    assert found["verdict"] == ["leak", "leak"] and found["subject"] == {"seed": [0, 1]}
    rows = {r["finding"].split(": ")[1]: r for r in found["findings"]}
    fell = rows["dog can be read, in other words"]
    assert fell["value"] == [0.6, 0.05] and fell["high"] < 0 and fell["clear"]
    assert fell["decision"] == ["leak", "no leak"] and fell["low"] < fell["change"] < fell["high"]
    assert not rows["same"]["clear"] and rows["same"]["low"] < 0 < rows["same"]["high"]
    assert rows["gone"]["in"] == [True, False] and rows["new"]["in"] == [False, True]
    assert rows["gone"]["change"] is None and not rows["gone"]["clear"]


def test_findings_of_one_name_are_compared_by_parameter_and_in_order() -> None:
    layers = [finding(params=(("layer", str(i)),)) for i in (1, 2, 2)]
    found = diff(report_of(*layers), report_of(*layers))["findings"]
    assert len(found) == 3 and all(r["in"] == [True, True] for r in found)


# For people


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_loads_nothing_and_runs_nothing_but_its_own_search() -> None:
    evil = finding(
        audit=EVIL,
        name=EVIL,
        note=EVIL,
        error=EVIL,
        params=((EVIL, EVIL),),
        series=(Series(EVIL, (0.0, 1.0), (0.0, 1.0)),),
        examples=(Example("world:" + EVIL, EVIL, EVIL, EVIL, EVIL), *finding().examples),
    )
    names = Model(EVIL, EVIL, EVIL)
    subject = replace(SUBJECT, adapter=EVIL, concepts=(EVIL,), source=EVIL, oracle=names)
    judged = replace(
        evil, key=FindingKey.NAMED, examples=(replace(evil.examples[0], judged=(1,) * 6),)
    )
    subject = replace(
        subject, words=(Words(*[EVIL, (EVIL,), (EVIL,), (EVIL,)]),), rules=((EVIL, EVIL),)
    )
    made = make(subject, [evil, judged, finding()], EVIL, 1.0, [EVIL], Asked(EVIL, EVIL))
    text = page.page(made, "")
    tags = Tags(text).seen
    names = {tag for tag, _ in tags}
    assert not names & {"link", "iframe", "object", "embed", "base"}
    assert [t for t, _ in tags].count("script") == 1 and f"<script>{page.SCRIPT}</script>" in text
    assert not [a for _, attrs in tags for a in attrs if a.startswith("on")]
    sources = [v for _, attrs in tags for k, v in attrs.items() if k in ("src", "href", "srcset")]
    assert sources and all(s.startswith(("data:image/", "#")) for s in sources)
    policy = next(a["content"] for t, a in tags if "http-equiv" in a)
    assert "default-src 'none'" in policy and re.search(r"script-src 'sha256-[\w+/=]+'$", policy)
    assert "url(" not in page.STYLE and "@import" not in page.STYLE


def test_markdown_is_no_html_and_its_table_holds() -> None:
    evil = finding(name="a | b\n" + EVIL, params=())
    text = markdown(report_of(evil), "")
    assert "<script" not in text and "<img" not in text
    rows = [r for r in text.splitlines() if r.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", r)) for r in rows}) == 1 and len(rows) == 3


@pytest.mark.parametrize("state", ["clear", "leak", "damaged", "inconclusive"])
def test_every_state_has_its_banner(state: str) -> None:
    made = report_of(finding())
    made = replace(made, verdict=replace(made.verdict, state=state))
    text = page.page(made, "")
    assert f'data-verdict="{state}"' in text and report.MEANING[state] in text


def test_a_missing_measure_is_said_and_not_drawn_as_zero() -> None:
    text = cards.bars(finding(oracle=None, unlearned=NOTHING))
    assert text.count("not measured") == 2
    assert text.count("<i style") == 1 and text.count(plots.COLOURS["base"]) == 1


def test_bars_fit_their_track_whatever_the_scale() -> None:
    wide = finding(
        unlearned=Measure(-3.0, 9, -5.0, 2.0), base=Measure(40.0, 9, 30.0, 55.0), oracle=None
    )
    for f in (finding(), wide):
        for left, width in re.findall(r"left:(-?[\d.]+)%;width:(-?[\d.]+)%", cards.bars(f)):
            assert float(left) >= 0 and float(width) >= 0 and float(left) + float(width) <= 100.2


# Drawings

FLOW = tuple(
    Series(f"dog -> {b}", (n,), (n / 9,), "flow") for b, n in (("animal", 6.0), ("a > b", 3.0))
)
HEAT = tuple(
    Series(
        f"map {m} {key_of(0, 'eval-0', 'Tobin Harrick', 0)}",
        tuple(map(float, range(49))),
        row,
        "heat",
    )
    for m, row in (("base", (0.5,) * 49), ("unlearned", (0.0,) * 48 + (None,)))
)
POINTS = tuple(
    Series(f"map {m}", (0.0, 1.0, 2.0, 3.0), (1.0, -1.0, 0.5, 0.0), "points")
    for m in ("base", "unlearned")
)
SAID = (("forget: dog", "A dog.", "An animal."), ("forget: dog", "A dog.", "A dog."),
        ("retain: cat", "A cat.", "An animal."), ("retain: cat", "A cat.", "A cat."))  # fmt: skip
MAPPED = finding(
    series=POINTS, examples=tuple(Example(key_of(0, "gallery", "cat", 0), *texts) for texts in SAID)
)


def test_every_kind_of_series_has_its_drawing() -> None:
    kinds = {"scatter": finding(), "sankey": finding(series=FLOW), "heatmap": finding(series=HEAT)}
    for kind, f in kinds.items():
        assert {trace.type for trace in plots.figure(f).data} == {kind}
        assert drawings.svg(f)
    assert plots.figure(finding(series=())) is None and drawings.svg(finding(series=())) == ""
    assert [s.name for s in plots.curves(finding())] == ["base", "unlearned"]
    assert not plots.curves(replace(MAPPED, series=(*FLOW, *HEAT, *POINTS)))


def test_a_flow_keeps_every_answer() -> None:
    f = finding(series=FLOW)
    assert plots.flows(f) == [("dog", "animal", 6.0), ("dog", "a > b", 3.0)]
    link = plots.figure(f).data[0].link
    assert list(link.value) == [6, 3] and list(link.target) == [1, 2]
    assert "a &gt; b" in drawings.svg(f)


def test_a_gap_in_a_curve_stays_one() -> None:
    path = re.findall(r'<path d="([^"]*)"', drawings.svg(finding()))[0]
    assert path.count("M") == 2 and "L" not in path
    assert plots.figure(finding()).data[0].y == (0.1, None, 0.9)


def test_heat_maps_lie_over_their_pictures() -> None:
    f = finding(series=HEAT)
    ((key, values),) = plots.heat(f).items()
    assert "Tobin Harrick" in key and list(values) == ["base", "unlearned"]
    drawn = plots.figure(f)
    assert len(drawn.layout.images) == 2 and len(drawn.data[0].z) == 7
    assert {t.zmax for t in drawn.data} == {0.5}
    text = drawings.svg(f)
    assert text.count("<rect") == 98 and text.count("data:image/webp") == 2 and "nan" not in text


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("all", [0, 1, 2, 3]),
        ("forgotten", [0, 1]),
        ("retained", [2, 3]),
        ("correctly forgotten", [0]),
        ("not forgotten", [1]),
        ("overly forgotten", [2]),
    ],
)
def test_maps_before_and_after_show_the_same_pictures(shown: str, kept: list[int]) -> None:
    assert [i for i, e in enumerate(MAPPED.examples) if plots.passes(e, shown)] == kept
    traces = plots.figure(MAPPED, shown, picked=kept[0]).data
    halves = [traces[: len(traces) // 2], traces[len(traces) // 2 :]]
    for half in halves:
        assert sorted(int(t.split(":")[0]) for trace in half for t in trace.text) == kept
        assert sum(w > 0 for trace in half for w in trace.marker.line.width) == 1
    assert [t.legendgroup for t in halves[0]] == [t.legendgroup for t in halves[1]]


def test_only_plain_pictures_are_shown() -> None:
    assert cards.picture("data:image/png;base64,iVBORw0=").startswith("<img")
    for key in (
        None,
        "file:/gone.png",
        "data:text/html;base64,AAAA",
        'data:image/png;base64,AA" onload="x',
    ):
        assert cards.picture(key) == ""

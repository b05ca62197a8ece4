"""The tables of README.md and docs/, made from the reports in assets/reports.

    python -m tests.measure.tables --write

Without `--write` it prints the lines that differ from what the reports say.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from hfru_core.bench.jobs import variant_of_today
from hfru_core.bench.results_file import Row, load
from hfru_core.bench.table import Group
from tests.measure import audit_tables

ROOT = Path(__file__).parents[2]
REPORTS, DOCS = ROOT / "assets" / "reports", ROOT / "docs"
OBJECTS = "dog,elephant"
FIRST = ("base", "oracle", "output-filter", "hfru", "hfru:paper", "hfru:deep")
NAMES = {"hfru": "HFRU default", "hfru:paper": "HFRU paper", "hfru:deep": "HFRU deep"}
ANSWERS = (
    "forget",
    "retain",
    "hallucination",
    "abstraction",
    "attributes",
    "refusal",
    "degenerate",
)
LEAKAGE = ("probe", "relearned")
RATES = ("forget", "retain", "hallucination", "abstraction", "attributes", "facts")
PEOPLE = "Tobin Harrick,Ilsa Torvane,Dario Fent"
POLITE = ("forget", "polite", "retain")
SINGLE = ("forget", "hallucination", "abstraction", "retain")
SHORT = ("base", "oracle", "hfru", "hfru:deep", "hfru:paper")  # of README's table
GOOD = ("forget", "retain", "attributes")  # what an answer has to do at once, without inventing
BASE = {
    "object": "objects: every name and no other",
    "object, alone": "the same, one object alone",
    "identity": "people",
    "colour": "colour",
    "place": "place or wall",
    "yes_no": "yes/no, half of them no",
    "abstraction": "ambiguous images and strangers called by a general term",
    "facts": "text-only facts",
}
DEEP = {"base": "base", "oracle": "retrained oracle", "hfru": "`default`", "hfru:deep": "`deep`"}
Table = list[str]


def line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def label(row: Row) -> str:
    """The method's name; with a dagger where another version of it made the row."""
    scope = f", {row.scope}" if "@" in row.method else ""
    older = variant_of_today(row.method) not in (None, row.variant)
    return NAMES.get(row.method, row.label) + scope + " †" * older


def mean(rows: Sequence[Row], key: str) -> str:
    found = Group("", tuple(rows)).cell(key).mean if rows else None
    return "–" if found is None else f"{100 * found:.0f}"


def spread(rows: Sequence[Row], key: str) -> str:
    """The mean, lowest and highest in brackets."""
    cell = Group("", tuple(rows)).cell(key)
    more = f" ({100 * cell.low:.1f} to {100 * cell.high:.1f})" if cell.runs > 1 else ""
    return f"{100 * cell.mean:.1f} %{more}"


def halfway(rows: Sequence[Row]) -> str:
    """Steps of relearning until half is named again: the mean, lowest and highest in brackets."""
    cell = Group("", tuple(rows)).cell("relearn_steps")
    more = f" ({cell.low:.0f} to {cell.high:.0f})" if cell.low != cell.high else ""
    return f"{cell.mean:.0f}{more}"


def verdicts(rows: Sequence[Row]) -> str:
    return ", ".join(Group("", tuple(rows)).verdicts.values())


def by_method(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows of each method: references and ours first, then by name."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.method, []).append(row)
    rank = {m: FIRST.index(m) if m in FIRST else len(FIRST) for m in found}
    return {m: found[m] for m in sorted(found, key=lambda m: (rank[m], label(found[m][0])))}


def short(rows: Sequence[Row]) -> Table:
    """README's eight rows: references, ours, and the three others that answer best."""
    found = by_method(plain(rows))
    return [
        line(
            label(own[0]),
            own[0].scope,
            len(own),
            *(wide(own, k) for k in ("forget", "retain", "hallucination", "abstraction")),
            *(wide(own, k) for k in LEAKAGE),
            verdicts(own),
        )
        for own in (found[m] for m in (*SHORT, *best_others(found)))
    ]


def best_others(found: dict[str, list[Row]], count: int = 3) -> list[str]:
    """Methods of others by their weakest of: forgotten, retained, attributes, nothing invented."""

    def weakest(method: str) -> float:
        cells = Group("", tuple(found[method]))
        return min(*(cells.cell(k).mean for k in GOOD), 1 - cells.cell("hallucination").mean)

    return sorted((m for m in found if m not in FIRST), key=weakest, reverse=True)[:count]


def wide(rows: Sequence[Row], key: str) -> str:
    """The mean over the runs in %, with the lowest and the highest of them."""
    cell = Group("", tuple(rows)).cell(key)
    return f"{100 * cell.mean:.0f} ({100 * cell.low:.0f} to {100 * cell.high:.0f})"


def own_budgets(rows: Sequence[Row]) -> Table:
    """Means over both tasks, which count alike."""
    return [
        line(
            label(own[0]),
            own[0].scope,
            len(own),
            verdicts(own),
            *(mean(own, k) for k in (*ANSWERS, *LEAKAGE)),
        )
        for own in by_method(plain(rows)).values()
    ]


def plain(rows: Iterable[Row]) -> list[Row]:
    return [
        r
        for r in rows
        if r.source == "world" and not r.error and (r.budget, r.request) == ("own", "plain")
    ]


def equal_time(rows: Sequence[Row]) -> Table:
    """What 60 s of steps give; in brackets the method's own budget, where it differs."""
    timed = [
        r for r in rows if (r.source, r.budget) == ("world", "equal") and r.steps and not r.error
    ]
    runs = {(r.method, r.task, r.seed) for r in timed}
    own = by_method(r for r in plain(rows) if (r.method, r.task, r.seed) in runs)
    return [
        line(
            label(now[0]),
            len(now),
            either(steps(now), steps(own[method])),
            *(either(mean(now, k), mean(own[method], k)) for k in ANSWERS),
        )
        for method, now in by_method(timed).items()
    ]


def steps(rows: Sequence[Row]) -> int:
    return round(sum(r.steps for r in rows) / len(rows))


def either(now: object, other: object) -> str:
    return f"{now}" if now == other else f"{now} ({other})"


def asked(rows: Sequence[Row], request: str, keys: Sequence[str]) -> Table:
    """One seed of another request: objects, then people."""
    found = by_method(
        r
        for r in rows
        if r.source == "world" and r.seed == 0 and not r.error and r.request == request
    )
    made = []
    for own in found.values():
        tasks = ([r for r in own if (r.task == OBJECTS) == objects] for objects in (True, False))
        made.append(line(label(own[0]), *(mean(task, k) for task in tasks for k in keys)))
    return made


def deep(rows: Sequence[Row]) -> Table:
    made = []
    for title, objects in (("dog + elephant", True), ("three people", False)):
        for method, name in DEEP.items():
            own = [r for r in plain(rows) if r.method == method and (r.task == OBJECTS) == objects]
            cells = (spread(own, k) for k in (*ANSWERS[:5], *LEAKAGE))
            made.append(line(f"{title}, {name}", len(own), *cells, halfway(own), verdicts(own)))
    return made


def sessions(rows: Sequence[dict]) -> Table:
    """HFRU on fresh pictures: means over sessions, the lowest and highest in brackets."""
    tasks = {"dog + elephant": OBJECTS, "three people": PEOPLE}
    groups = {
        (title, preset): [r for r in rows if (r["task"], r["preset"]) == (task, preset)]
        for title, task in tasks.items()
        for preset in ("default", "paper")
    }
    groups["each single object", "default"] = [r for r in rows if "," not in r["task"]]
    return [
        line(*name, len(own), *(bracketed([measured(r, k) for r in own]) for k in RATES))
        for name, own in groups.items()
    ]


def measured(row: dict, key: str) -> float:
    """A rate on forget pictures, or a share of the base model's rate."""
    return row["relative"][key] if key in row["relative"] else row["after"][key]["rate"]


def bracketed(values: Sequence[float]) -> str:
    low, high = 100 * min(values), 100 * max(values)
    return f"{100 * fmean(values):.1f} % ({low:.1f} to {high:.1f})"


def base_model(rates: dict[str, dict]) -> Table:
    """What the bundled model answers rightly."""
    return [
        line(
            title,
            "{rate:.1%} ({low:.1%} to {high:.1%})".format(**rates[key]).replace("%", " %"),
            rates[key]["n"],
        )
        for key, title in BASE.items()
    ]


def pacs(rows: Sequence[Row]) -> Table:
    there = by_method(r for r in rows if r.source.startswith("pacs") and not r.error)
    return [line(label(row), *(mean([row], k) for k in ANSWERS)) for (row,) in there.values()]


def continual(methods: dict) -> Table:
    """The end of a series of requests: each concept forgotten, and what is kept."""
    made = []
    for method, run in methods.items():
        last = run["rows"][-1]
        gone = (f"{100 * c['forget']['rate']:.0f}" for c in last["forgotten"].values())
        shares = (f"{100 * last['kept_of_base'][k]:.0f}" for k in ("retain", "attributes", "facts"))
        made.append(line(f"`{method}`", *gone, *shares))
    return made


def placed(text: str, table: Table) -> str:
    """The text with a table's rows in place of those that begin and are as wide as they do."""
    lines, head = text.split("\n"), f"{table[0].split(' | ')[0]} |"
    width = table[0].count("|")
    found = [i for i, s in enumerate(lines) if s.startswith(head) and s.count("|") == width]
    if not found:
        raise SystemExit(f"There is no table whose first row begins with '{head}'.")
    start = found[0]
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    return "\n".join([*lines[:start], *table, *lines[end:]])


def report(name: str):
    return json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))


def pages() -> dict[Path, str]:
    """Each page as it would be, its tables made anew."""
    rows = load(REPORTS / "bench.json").rows
    series, own, base = map(report, ("continual", "hfru", "base"))
    tables = {
        ROOT / "README.md": (short(rows),),
        DOCS / "bench.md": (
            own_budgets(rows),
            equal_time(rows),
            asked(rows, "polite", POLITE),
            asked(rows, "single", SINGLE),
            continual(series["methods"]),
            pacs(rows),
        ),
        DOCS / "audit.md": (
            audit_tables.table(REPORTS, "dog + elephant", audit_tables.THINGS),
            audit_tables.table(REPORTS, "three people", audit_tables.PEOPLE),
        ),
        DOCS / "measurements.md": (sessions(own), base_model(base["rates"]), deep(rows)),
    }
    made = {}
    for path, own in tables.items():
        made[path] = path.read_text(encoding="utf-8")
        for table in own:
            made[path] = placed(made[path], table)
    return made


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--write", action="store_true", help="put the tables in their places")
    args = p.parse_args()
    changed = 0
    for path, text in pages().items():
        old = set(path.read_text(encoding="utf-8").split("\n"))
        new = [s for s in text.split("\n") if s not in old]
        changed += len(new)
        print("\n".join(f"{path.name}: {s}" for s in new), end="\n" if new else "")
        if args.write:
            path.write_text(text, encoding="utf-8")
    return 0 if args.write else min(1, changed)


if __name__ == "__main__":
    raise SystemExit(main())

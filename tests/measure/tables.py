"""The tables of README.md and assets/reports/METHODS.md, made from the reports beside it.

    python tests/measure/tables.py --write

Without `--write` it names the lines that are not what the reports say.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from hfru_core.bench.results_file import Row, load  # noqa: E402
from hfru_core.bench.table import Group  # noqa: E402

REPORTS = ROOT / "assets" / "reports"
OBJECTS = "dog,elephant"
FIRST = ("base", "oracle", "output-filter", "hfru", "hfru:paper", "hfru:deep")
NAMES = {"hfru": "HFRU default", "hfru:paper": "HFRU paper", "hfru:deep": "HFRU deep"}
SAID = ("forget", "retain", "hallucination", "abstraction", "attributes", "refusal", "degenerate")
LEFT = ("probe", "relearned")
POLITE = ("forget", "polite", "retain")
SINGLE = ("forget", "hallucination", "abstraction", "retain")
DEEP = {"base": "base", "oracle": "retrained oracle", "hfru": "`default`", "hfru:deep": "`deep`"}
Table = list[str]


def line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def label(row: Row) -> str:
    scope = f", {row.scope}" if "@" in row.method else ""
    return NAMES.get(row.method, row.label) + scope


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


def own_budgets(rows: Sequence[Row]) -> Table:
    """Means over both tasks, which count alike."""
    return [
        line(
            label(own[0]),
            own[0].scope,
            len(own),
            verdicts(own),
            *(mean(own, k) for k in (*SAID, *LEFT)),
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
            *(either(mean(now, k), mean(own[method], k)) for k in SAID),
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
            told = (spread(own, k) for k in (*SAID[:5], *LEFT))
            made.append(line(f"{title}, {name}", len(own), *told, halfway(own), verdicts(own)))
    return made


def pacs(rows: Sequence[Row]) -> Table:
    there = by_method(r for r in rows if r.source.startswith("pacs") and not r.error)
    return [line(label(row), *(mean([row], k) for k in SAID)) for (row,) in there.values()]


def continual(methods: dict) -> Table:
    """The end of a series of requests: each concept forgotten, and what is kept."""
    made = []
    for method, run in methods.items():
        last = run["rows"][-1]
        gone = (f"{100 * c['forget']['rate']:.0f}" for c in last["forgotten"].values())
        kept = (f"{100 * last['kept_of_base'][k]:.0f}" for k in ("retain", "attributes", "facts"))
        made.append(line(f"`{method}`", *gone, *kept))
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


def pages() -> dict[Path, str]:
    """Each page as it would be, its tables made anew."""
    rows = load(REPORTS / "bench.json").rows
    series = json.loads((REPORTS / "continual.json").read_text())["methods"]
    tables = {
        ROOT / "README.md": (own_budgets(rows),),
        REPORTS / "METHODS.md": (
            equal_time(rows),
            asked(rows, "polite", POLITE),
            asked(rows, "single", SINGLE),
            deep(rows),
            pacs(rows),
            continual(series),
        ),
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

"""The command line of the audit's own test: `python -m audit.zoo`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hfru_core.types import UserError

DEFAULT = "dog,elephant"
EXAMPLES = """examples:
  python -m audit.zoo --out runs/zoo --json
  python -m audit.zoo --deep --only output-filter noise --out runs/zoo

exit codes: 0 every pretender is caught and no honest model failed, 1 not so, 2 could not run
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m audit.zoo",
        epilog=EXAMPLES,
        description="Audit models that only pretend to forget, and honest ones.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--deep", action="store_true", help="also the attacks that train")
    p.add_argument("--only", nargs="+", metavar="NAME", help="these models (default: all)")
    p.add_argument(
        "--concepts",
        default=DEFAULT,
        help="what the pretenders pretend to forget "
        f"(default: {DEFAULT}); honest models: what they never saw",
    )
    p.add_argument("--seed", type=int, default=1, help="also of the pictures (default: 1)")
    p.add_argument(
        "--out",
        type=Path,
        default=Path("runs/zoo"),
        metavar="DIR",
        help="where zoo.json is kept; a run that ended early continues (default: runs/zoo)",
    )
    p.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    return p


def audits(deep: bool) -> dict:
    """The audits of a depth, by name."""
    from audit.suite import DEEP, STANDARD

    return {**STANDARD, **DEEP} if deep else STANDARD


def entrants(concepts: str, only: Sequence[str] | None) -> list:
    """The models to judge."""
    from audit.cases import ORACLES
    from audit.zoo import trial
    from hfru_core.concepts import parse, shipped

    known = trial.oracles(ORACLES)
    found = trial.pretenders(parse(concepts, shipped()), known) + trial.honest_ones(known)
    found += trial.honest_adapters(known) + trial.alone(known)
    strange = set(only or ()) - {e.name for e in found}
    if strange:
        raise UserError(
            f"There is no model '{', '.join(sorted(strange))}'. Choose from: "
            + ", ".join(dict.fromkeys(e.name for e in found))
            + "."
        )
    return [e for e in found if not only or e.name in only]


def run(args: argparse.Namespace) -> dict:
    """Judge the models with a line for each on stderr, then sum up."""
    from audit.zoo import trial

    chosen, rows = entrants(args.concepts, args.only), []
    for row in trial.run_trial(chosen, audits(args.deep), args.seed, args.out):
        rows.append(row)
        print(f"{len(rows)}/{len(chosen)} {line(row)}", file=sys.stderr, flush=True)
    return {
        "deep": args.deep,
        "seed": args.seed,
        **trial.summary(rows),
        "rows": [{k: v for k, v in r.items() if k != "findings"} for r in rows],
    }


def line(row: dict) -> str:
    """One model: what it is, the verdict, whether that is right, and who said so."""
    kinds = ("leaks", "damages", "borders")
    by = ", ".join(dict.fromkeys(a for kind in kinds for a in row.get(kind, ()))) or "none"
    mark = "right" if row["right"] else "WRONG"
    said = row.get("error") or f"{row['state']} by {by}, {row['seconds']} s"
    return f"{mark}: {row['name']} ({', '.join(row['concepts'])}): {said}"


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        result = run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    shown = {k: result[k] for k in ("caught", "failed", "audits", "passed")}
    print(json.dumps(result) if args.json else json.dumps(shown, indent=1))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())

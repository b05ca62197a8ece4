"""Requests that come one after another: is what was forgotten first still forgotten?

    python -m tests.measure.continual [--method hfru] [--preset default] [--merge] --out DIR

Every request starts from the adapter of the one before (`unlearn --on`); with `--merge` it starts
from the original model, and EUL's closed form makes one adapter of all so far. After each, every
concept so far is measured on pictures of another world. A request that is there already is not run
again, and the report keeps the rows of other methods.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from hfru_core.adapters import folder as adapter
from hfru_core.adapters.combine import sum_of
from hfru_core.adapters.validate import checked_record
from hfru_core.cli.main import main as command
from hfru_core.concepts import parse
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import DRAWN, World
from hfru_core.evaluate import evaluate, relative, summary
from hfru_core.files import whole
from hfru_core.methods import configured, eul
from hfru_core.model import vlm
from hfru_core.types import NOT_MEASURED

SERIES = "dog;guitar;Mara Velden;house;car"


def measured(folder: Path, forgotten: list[str], seed: int, pictures: int) -> dict:
    """Rates of every concept forgotten so far, and of what is kept, beside the base model's."""
    concepts = parse(",".join(forgotten), DRAWN.known_concepts())
    amount = Amount(0, 0, pictures * len(concepts), 2 * pictures)
    request = build(concepts, World(3000 + seed), amount=amount, seed=seed)
    base, _ = evaluate(vlm.load(), request)
    after, rows = evaluate(adapter.load(vlm.load(), folder), request)
    mine = {c.name: [r for r in rows if r.sample.concept_id == c.id] for c in concepts}
    return {
        "forgotten": {n: asdict(summary(own, NOT_MEASURED)) for n, own in mine.items()},
        "kept_of_base": {
            k: relative(getattr(after, k), getattr(base, k))
            for k in ("retain", "attributes", "facts")
        },
        "retain": asdict(after.retain),
    }


def merged(args: argparse.Namespace, requests: list[str]) -> Path:
    """EUL's adapter of all requests so far, each made alone."""
    folders = [args.out / f"{number}" for number, _ in enumerate(requests, 1)]
    parts, out = [adapter.read(f) for f in folders], args.out / f"merged-{len(folders)}"
    grams = [grams_of(f, r, args.seed, tuple(p)) for f, r, p in zip(folders, requests, parts)]
    record = sum_of([checked_record(f) for f in folders], [1.0] * len(folders))
    if not out.exists():
        with whole(out) as made:
            adapter.write(eul.merge(parts, grams), made, record)
    return out


@cache
def grams_of(folder: Path, asked: str, seed: int, names: tuple[str, ...]) -> eul.Grams:
    concepts = parse(asked, DRAWN.known_concepts())
    model = adapter.load(vlm.load(), folder)
    config = configured("eul", "default", concepts, seed=seed)
    return eul.EUL(model, build(concepts, seed=seed), config).grams(names)


def write(args: argparse.Namespace, rows: list[dict]) -> None:
    """The report with this method's rows, others' kept."""
    there = json.loads(args.report.read_text()) if args.report.is_file() else {"methods": {}}
    name = args.method if args.preset == "default" else f"{args.method}:{args.preset}"
    name += " --merge" * args.merge
    there["methods"][name] = {"seed": args.seed, "pictures": args.pictures, "rows": rows}
    args.report.write_text(json.dumps(there, indent=1) + "\n")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--series", default=SERIES, help="requests, separated by semicolons")
    p.add_argument("--method", default="hfru")
    p.add_argument("--preset", default="default")
    p.add_argument("--merge", action="store_true", help="each request alone, then merged")
    p.add_argument("--pictures", type=int, default=60, help="a side; four questions each")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path, required=True, help="a folder for the adapters")
    p.add_argument("--report", type=Path, default=Path("assets/reports/continual.json"))
    args = p.parse_args()
    rows, done, before = [], [], None
    for number, request in enumerate(args.series.split(";"), 1):
        done.append(request)
        folder = args.out / f"{number}"
        if not folder.exists():
            on = ["--on", str(before)] if before and not args.merge else []
            order = [
                "unlearn",
                "--forget",
                request,
                "--seed",
                str(args.seed),
                "--out",
                str(folder),
                "--method",
                args.method,
                "--preset",
                args.preset,
            ]
            if command([*order, *on]):
                raise SystemExit(2)
        made = merged(args, done) if args.merge else folder
        rows.append({"request": request, **measured(made, done, args.seed, args.pictures)})
        write(args, rows)
        shares = {n: f"{r['forget']['rate']:.1%}" for n, r in rows[-1]["forgotten"].items()}
        print(request, shares, rows[-1]["kept_of_base"], flush=True)
        before = folder


if __name__ == "__main__":
    main()

"""The command line: audit an adapter folder, compare two reports, or make one's page again.

Exit codes: 0 clear; 1 a leak was found, or the model is damaged; 2 it could not run; 3 it ran and
is inconclusive or borderline (a 0 would read as "no leak" to a script). A report is written with
0, 1 and 3.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from audit.cases import prepare
from audit.options import diff_parser, parser, render_parser
from hfru_core.child_process import end_with_parent
from hfru_core.files import PART, dumps, whole
from hfru_core.types import UserError

if TYPE_CHECKING:
    from audit.base import Audit, Case, Finding
    from audit.report.report import Report, Subject
    from audit.results import Results

EXIT = {"clear": 0, "leak": 1, "damaged": 1, "inconclusive": 3, "borderline": 3}


def suite(deep: bool) -> tuple[dict[str, Audit], tuple[str, ...]]:
    """The audits of a depth, and the names of those left out."""
    from audit.suite import DEEP, STANDARD

    return ({**STANDARD, **DEEP}, ()) if deep else (STANDARD, tuple(DEEP))


def deeper(left_out: Sequence[str]) -> str:
    """What --deep adds."""
    from audit.suite import STANDARD

    new, more = ([n for n in left_out if (n in STANDARD) is b] for b in (False, True))
    told = [("Not run", new), ("In short form", more)]
    listed = "; ".join(f"{how}: {', '.join(names)}" for how, names in told if names)
    return f"{listed}. --deep runs all of them."


def gaps(case: Case, left_out: Sequence[str]) -> list[str]:
    """What this run did not cover."""
    out = list(case.caveats)
    if left_out:
        out.append(deeper(left_out))
    if case.oracle is None:
        out.append("No oracle: no comparison with a model that never saw the concept.")
    if not case.trained:
        out.append("The session's own images could not be built again: membership is not tested.")
    return out


def audit(args: argparse.Namespace) -> tuple[dict, int]:
    """Run the audits, write the report, print the verdict."""
    from audit.estimate import estimated
    from audit.report.files import write
    from audit.report.pdf import browser
    from audit.report.report import Asked, make

    began = time.perf_counter()
    if args.pdf:
        browser()
    with whole(args.out) as folder:
        case, subject = prepare(args)
        print(f"Pictures {subject.source}; --seed {subject.seed} repeats it.", file=sys.stderr)
        print(estimated(case, args.pictures, args.deep), file=sys.stderr)
        results = results_of(args.out, case, subject)
        audits, left_out = suite(args.deep)
        findings = follow(replace(case, results=results), audits, args.events)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = time.perf_counter() - began
        asked = Asked(args.operator, args.request)
        report = make(subject, findings, now, seconds, gaps(case, left_out), asked)
        write(report, folder, args.pdf)
    if results:
        results.remove()
    print_table(report)
    print_verdict(report, args.out)
    return summary(report, args.out), EXIT[report.verdict.state]


def results_of(out: Path, case: Case, subject: Subject) -> Results | None:
    """Where an audit that takes long keeps what it saw: beside the report, until that is there."""
    from audit.results import Results
    from hfru_core.model.precision import is_large

    if not is_large(case.base.core.config) or case.base.processes.size > 1:
        return None
    same = {**asdict(subject), "numbers": str(case.base.core.dtype)}
    return Results(out.with_name(out.name + PART), dumps(same))


def follow(case: Case, audits: dict[str, Audit], events: bool) -> list[Finding]:
    """Run them with a progress bar on stderr, and with `events` print a JSON line for each step."""
    from audit.base import Run

    run = Run(case, audits)
    if events:
        print(json.dumps({"audits": list(audits)}), flush=True)
    with tqdm(total=len(audits), unit="audit", file=sys.stderr, dynamic_ncols=True) as bar:
        for tick in run:
            bar.set_description(tick.audit, refresh=False)
            bar.update(tick.done - bar.n)
            bar.refresh()
            if events:
                name = tick.finding and tick.finding.name
                line = {"audit": tick.audit, "done": tick.done, "of": tick.total, "finding": name}
                print(json.dumps(line), flush=True)
        bar.update(len(audits) - bar.n)
    return run.findings


def print_table(report: Report) -> None:
    """The findings for people, on stderr."""
    from audit.report.report import called, decision, short

    print(f"{'finding':<58}{'base':>9}{'unlearned':>11}{'oracle':>9}  says", file=sys.stderr)
    for f in report.findings:
        base, now, oracle = (short(m.value if m else None) for m in (f.base, f.unlearned, f.oracle))
        line = f"{called(f)[:57]:<58}{base:>9}{now:>11}{oracle:>9}  {decision(f)}"
        print(line, file=sys.stderr)


def print_verdict(report: Report, out: Path) -> None:
    from audit.report.changes import what_changed
    from audit.report.report import meaning

    v = report.verdict
    print(f"{v.state.upper()}: {meaning(v.state)}", file=sys.stderr)
    for reason in dict.fromkeys(v.reasons):
        print(f"  {reason}", file=sys.stderr)
    for line in what_changed(report.findings):
        print(f"  {line}", file=sys.stderr)
    print(f"report: {out / 'report.html'}", file=sys.stderr)


def summary(report: Report, out: Path) -> dict:
    """The output of --json: verdict, findings in short, where the report is."""
    from audit.report.report import called, decision

    findings = [
        {
            "finding": called(f),
            "key": f.key,
            "kind": f.kind,
            "says": decision(f),
            "error": f.error,
            **{
                k: (m and asdict(m))
                for k, m in (("base", f.base), ("unlearned", f.unlearned), ("oracle", f.oracle))
            },
        }
        for f in report.findings
    ]
    s = report.subject
    return {
        "verdict": report.verdict.state,
        "reasons": report.verdict.reasons,
        "adapter": s.adapter,
        "oracle": s.oracle and s.oracle.name,
        "concepts": s.concepts,
        "depth": s.depth,
        "source": s.source,
        "seed": s.seed,
        "seconds": report.timing.seconds,
        "report": str(out),
        "findings": findings,
    }


# The difference


def compare(args: argparse.Namespace) -> tuple[dict, int]:
    """Print what changed from one report to another; the exit code is 0 whatever it is."""
    from audit.report.diff import diff, lines
    from audit.report.json_file import read

    result = diff(read(args.a), read(args.b), args.unpaired)
    print(*lines(result), sep="\n", file=sys.stderr if args.json else sys.stdout)
    return result, 0


def render_again(args: argparse.Namespace) -> tuple[dict, int]:
    """Make the files of reports again from their JSON."""
    from audit.report.files import render

    for folder in args.folder:
        render(folder, args.pdf)
        print(f"report: {folder / 'report.html'}", file=sys.stderr)
    return {"reports": [str(folder) for folder in args.folder]}, 0


COMMANDS = {"diff": (diff_parser, compare), "render": (render_parser, render_again)}


def main(argv: list[str] | None = None) -> int:
    """Run a command; any error is 2, since 1 means that a leak was found."""
    argv = sys.argv[1:] if argv is None else argv
    end_with_parent()
    if argv[:1] == ["--list"]:
        from audit.catalogue import listed

        print(listed())
        return 0
    options, action = COMMANDS.get("".join(argv[:1]), (parser, audit))
    args = options().parse_args(argv if action is audit else argv[1:])
    try:
        with quiet_helpers(args):
            result, code = action(args)
            if args.json:
                print(json.dumps(result))
            return code
    except UserError as error:
        return refused(args, str(error))
    except KeyboardInterrupt:
        return refused(args, "stopped: there is no verdict and no report", 130)
    except Exception as error:  # Python's own exit code would read as a leak.
        return refused(args, f"unexpected {type(error).__name__}: {error} (--debug shows where)")


@contextmanager
def quiet_helpers(args: argparse.Namespace) -> Iterator[None]:
    """Of several processes (`accelerate launch`) one writes and prints, the others only compute."""
    if os.environ.get("RANK", "0") == "0":
        yield
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        args.out = Path(folder) / "out"
        yield


def refused(args: argparse.Namespace, message: str, code: int = 2) -> int:
    if args.debug:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""The audit's command with checks that wait instead of measuring: its files, its lines and how it
ends are the real ones, its findings are those of a shipped report."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from dataclasses import dataclass

from audit import __main__ as command
from audit import estimate
from audit.report.json_file import read
from hfru_core.paths import ASSETS

CHECKS = ("behavior", "probes", "geometry", "lens", "images")
SECONDS = 2.0  # of a check
SHIPPED = read(ASSETS / "reports" / "audit-dog" / "report.json")


@dataclass(frozen=True)
class Waiting:
    """As much of a case as the command looks at."""

    oracle: bool = True
    trained: bool = True
    caveats: tuple[str, ...] = ()
    results: None = None


def prepare(args: Namespace) -> tuple:
    return Waiting(), SHIPPED.subject


def follow(case: object, audits: dict, events: bool) -> list:
    print(json.dumps({"audits": list(audits)}), flush=True)
    for done, name in enumerate(audits, 1):
        time.sleep(SECONDS)
        line = {"audit": name, "done": done, "of": len(audits), "finding": name}
        print(json.dumps(line), flush=True)
    return list(SHIPPED.findings)


if __name__ == "__main__":
    command.prepare, command.follow = prepare, follow
    command.results_of = lambda out, case, subject: None
    estimate.estimated = lambda case, pictures, deep: "This one only waits."
    command.suite = lambda deep: (dict.fromkeys(CHECKS), ())
    sys.exit(command.main())

"""What the commands tell people while they work: bars and tables on stderr, by one process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tqdm import tqdm

from hfru_core.types import Evaluation, Rate

if TYPE_CHECKING:
    from hfru_core.session import UnlearnSession

SPEAKS = os.environ.get("RANK", "0") == "0"  # the first process of a group alone


def follow(session: UnlearnSession) -> None:
    """Run a session with a progress bar and its live rewards; what it will take is said first."""
    session.begin()
    if session.estimate and SPEAKS:
        print(session.estimate, file=sys.stderr)
    bar = tqdm(
        total=session.config.steps,
        unit="step",
        file=sys.stderr,
        dynamic_ncols=True,
        disable=not SPEAKS,
    )
    with bar:
        for event in session.run():
            bar.update(event.step - bar.n)
            numbers = {k: f"{v:.2f}" for k, v in event.rewards.items()}
            if event.score is not None:
                numbers["score"] = f"{event.score:.3f}"
            bar.set_description(event.stage, refresh=False)
            bar.set_postfix(numbers or {"loss": f"{event.loss:.3f}"})


def progress(label: str) -> Callable[[int, int], None]:
    """A bar that counts answers: call it with how many there are by now, and in all."""
    bar = tqdm(desc=label, unit="answer", file=sys.stderr, leave=False, disable=not SPEAKS)

    def update(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return update


def table(before: Evaluation, after: Evaluation) -> None:
    """Rates before and after."""
    if not SPEAKS:
        return
    print(f"{'measure':<15}{'before':>10}{'after':>10}   95 % interval      n", file=sys.stderr)
    for name, rate in vars(after).items():
        print(
            f"{name:<15}{percent(getattr(before, name)):>10}{percent(rate):>10}  "
            f"{interval(rate):<16}{rate.n:>6}",
            file=sys.stderr,
        )


def percent(value: Rate) -> str:
    return "-" if value.rate is None else f"{value.rate:.1%}"


def interval(value: Rate) -> str:
    return "" if value.low is None else f"{value.low:7.1%} -{value.high:6.1%}"

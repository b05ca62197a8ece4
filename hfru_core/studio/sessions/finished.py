"""A finished session, shown again from its adapter's record: its curves and its rates."""

from __future__ import annotations

from pathlib import Path

from hfru_core.adapters.record import read_record
from hfru_core.config import UnlearnConfig
from hfru_core.studio.sessions.runner import Report
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

NOTE = "Measured on the session's validation pictures. Audit it to learn more."


def labels(studio: Studio, visitor: str) -> list[tuple[str, str]]:
    """The adapters that came out of a session, for a dropdown; sums of others have no curves."""
    choices = studio.choices(visitor)
    return [(t, n) for t, n in studio.labels(visitor) if has_history(choices[n])]


def has_history(folder: Path) -> bool:
    try:
        return bool(read_record(folder).history)
    except UserError:
        return False


def report_of(folder: Path) -> Report:
    """The session's last report, as far as its record goes."""
    record = read_record(folder)
    made, events = record.config, record.history
    if not made:
        raise UserError(f"'{folder.name}' was made from finished adapters: it has no session.")
    steps = {k: made[k] for k in ("stage1_steps", "grpo_steps") if k in made}
    spent = sum(e.seconds for e in events)
    return Report(
        f"Finished: without {record.names}",
        f"{len(events)} steps · {spent:.0f} s · preset {made['preset']} · seed {made['seed']}",
        1.0,
        UnlearnConfig.from_record(steps),
        record.concepts,
        events,
        before=record.base_metrics,
        after=record.metrics,
        note=NOTE,
        adapter=folder,
    )

"""A finished session, told again from its adapter's record: its curves and its rates."""

from __future__ import annotations

import json
from pathlib import Path

from hfru_core.studio.render.adapter_html import evaluation
from hfru_core.studio.sessions.runner import Report
from hfru_core.studio.sessions.studio import Studio, forgotten
from hfru_core.types import StepEvent, UnlearnConfig, UserError

NOTE = "Judged on the pictures that the session compared its steps on. Audit it to learn more."


def labels(studio: Studio, visitor: str) -> list[tuple[str, str]]:
    """The adapters that came out of a session, for a dropdown; sums of others have no curves."""
    choices = studio.choices(visitor)
    return [(t, n) for t, n in studio.labels(visitor) if record(choices[n]).get("history")]


def record(folder: Path) -> dict:
    """What lies in the folder; nothing where it cannot be read."""
    try:
        return json.loads((folder / "unlearning.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def told_again(folder: Path) -> Report:
    """The session's last report, as far as its record goes."""
    info, concepts = record(folder), forgotten(folder)
    try:
        made = info["config"]
        config = UnlearnConfig(stage1_steps=made["stage1_steps"], grpo_steps=made["grpo_steps"])
        events = tuple(StepEvent(of=config.steps, **row) for row in info["history"])
        rates = [evaluation(info[k]) for k in ("base_metrics", "metrics")]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"The record of '{folder.name}' cannot be read: {error}.") from None
    spent = sum(e.seconds for e in events)
    return Report(
        f"Finished: without {', '.join(c.name for c in concepts)}",
        f"{len(events)} steps · {spent:.0f} s · preset {made['preset']} · seed {made['seed']}",
        1.0,
        config,
        concepts,
        events,
        before=rates[0],
        after=rates[1],
        note=NOTE,
        adapter=folder,
    )

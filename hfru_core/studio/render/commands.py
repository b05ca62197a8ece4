"""What the app does, as commands; folders are those of the project, or of an unpacked download."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import gradio as gr

from hfru_core.paths import ADAPTERS, typed
from hfru_core.studio.i18n.catalogue import t


def shown(elem_id: str, value: str = "") -> gr.Code:
    """A command beside what it does, to be copied."""
    return gr.Code(
        value,
        language="shell",
        label=t("command"),
        interactive=False,
        lines=1,
        wrap_lines=True,
        show_line_numbers=False,
        elem_id=elem_id,
        buttons=["copy"],
    )


def folder(name: str | None) -> str:
    """Where an adapter lies, by the name that the app has for it."""
    kind, _, stem = (name or "").partition("/")
    places = {"shipped": f"{typed(ADAPTERS)}/", "mine": "runs/"}
    return places.get(kind, "") + (stem or "ADAPTER")


def answer(question: str, name: str | None) -> str:
    """Ask both models: first the original."""
    asked = shlex.join(["python", "-m", "hfru_core", "answer", "picture.png", question])
    return f"{asked}\n{asked} --adapter {shlex.quote(folder(name))}" if name else asked


def adapter(name: str | None, strength: float, several: Sequence[str]) -> str:
    """Look at one, and make others of it."""
    path, say = folder(name), ("python", "-m", "hfru_core", "adapter")
    stem = path.split("/")[-1]
    lines = [[*say, "inspect", path]]
    if strength != 1:
        out = f"runs/{stem}-{strength:.0%}".replace("%", "")
        lines.append([*say, "scale", path, f"{strength:g}", "--out", out])
    if len(several or ()) > 1:
        lines.append([*say, "stack", *map(folder, several), "--out", "runs/stack"])
    lines.append([*say, "merge", path, "--out", f"runs/{stem}-merged"])
    return "\n".join(map(shlex.join, lines))

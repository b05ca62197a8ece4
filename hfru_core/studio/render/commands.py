"""The app's actions as commands; folders are the project's, or those of unpacked downloads."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import gradio as gr

from hfru_core.paths import ADAPTERS, typed
from hfru_core.studio.i18n.catalogue import t


def code(elem_id: str, value: str = "") -> gr.Code:
    """A box with a command to copy."""
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
    """The folder of an adapter, by the name that the app has for it."""
    kind, _, stem = (name or "").partition("/")
    places = {"shipped": f"{typed(ADAPTERS)}/", "mine": "runs/"}
    return places.get(kind, "") + (stem or "ADAPTER")


def answer(question: str, name: str | None, photo: bool = False) -> str:
    """Ask both models: first the original; `photo` is whether that is the one of photographs."""
    words = ["python", "-m", "hfru_core", "answer", "picture.png", question]
    command = shlex.join([*words, *["--model", "photo"] * photo])
    return f"{command}\n{command} --adapter {shlex.quote(folder(name))}" if name else command


def adapter(name: str | None, strength: float, several: Sequence[str]) -> str:
    """Inspect an adapter, and make others from it."""
    path, program = folder(name), ("python", "-m", "hfru_core", "adapter")
    stem = path.split("/")[-1]
    lines = [[*program, "inspect", path]]
    if strength != 1:
        out = f"runs/{stem}-{strength:.0%}".replace("%", "")
        lines.append([*program, "scale", path, f"{strength:g}", "--out", out])
    if len(several or ()) > 1:
        lines.append([*program, "stack", *map(folder, several), "--out", "runs/stack"])
    lines.append([*program, "merge", path, "--out", f"runs/{stem}-merged"])
    return "\n".join(map(shlex.join, lines))


def audit(name: str | None, depth: str) -> str:
    """Audit an adapter; one's own lies where its zip was unpacked."""
    words = ["python", "-m", "audit", folder(name or "mine/"), *["--deep"] * (depth == "deep")]
    stem = (name or "").partition("/")[2] or "ADAPTER"
    return shlex.join([*words, "--out", f"runs/audit-{stem}"])

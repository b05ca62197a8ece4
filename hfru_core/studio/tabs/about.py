"""The About tab: the method as a drawing, the limits, sources, licence and versions."""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hfru_core.adapters.record import WEIGHTS
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.studio.i18n.catalogue import say
from hfru_core.studio.render.adapter_html import code
from hfru_core.studio.sessions.adapters import adapter_folders, adapter_label, record_of
from hfru_core.studio.sessions.studio import Studio
from hfru_core.world.scenes import CLASSES

SOURCES = (("HFRU", "2605.08031", "about.method"), ("GRPO", "2402.03300", "about.rl"),
           ("LoRA", "2106.09685", "about.lora"))  # fmt: skip
MOST_HASHED = 64 * 2**20  # bytes
PACKAGES = ("torch", "transformers", "peft", "gradio")
TOP, HIGH = 62, 74  # of the boxes in the drawing
# class, left, width, first line, second line
BOXES = (
    ("", 8, 92, "about.picture", None), ("trained", 134, 172, "about.encoder", "about.adapter"),
    ("", 340, 112, "about.projector", None), ("", 486, 118, "about.decoder", "about.frozen"),
    ("", 638, 150, "about.answers", "about.sampled"),
)  # fmt: skip
REWARDS = (
    ("forgotten", "about.forget"),
    ("abstract", "about.abstraction"),
    ("kept", "about.retain"),
)


def html(studio: Studio, language: str) -> str:
    """The whole tab in one language."""
    word = partial(say, language=language)
    counts: dict[str, Any] = {"things": len(CLASSES), "people": len(PEOPLE_NAMES)}
    limits = "".join(f"<li>{word(f'about.limit{i}', **counts)}</li>" for i in range(1, 5))
    return (
        f'<article class="about"><section><h2>{word("about.what")}</h2>'
        f"<p>{word('about.does')}</p></section>"
        f'<section><h2>{word("about.how")}</h2><div class="drawing" tabindex="0" role="region" '
        f'aria-label="{word("about.how")}">{drawing(language)}</div></section>'
        f'<div class="columns"><section><h2>{word("about.limits")}</h2><ul>{limits}</ul></section>'
        f"<section><h2>{word('about.sources')}</h2>{sources(language)}"
        f"<h2>{word('about.model')}</h2>{installed(studio, language)}</section></div></article>"
    )


def drawing(language: str) -> str:
    """The method: forwards along the top, the rewards back along the bottom."""
    word = partial(say, language=language)
    boxes = "".join(box(kind, x, w, *(word(k) for k in keys if k)) for kind, x, w, *keys in BOXES)
    ends = [(x + w, nxt) for (_, x, w, *_), (_, nxt, *_) in zip(BOXES, BOXES[1:])]
    middle = TOP + HIGH / 2
    arrows = "".join(arrow(f"M{a + 3} {middle}H{b - 4}") for a, b in ends)
    chips = "".join(
        f'<g class="{kind}"><rect x="398" y="{206 + 30 * i}" width="206" height="24" '
        f'rx="12"/>{text(501, 222 + 30 * i, word(key))}</g>'
        for i, (kind, key) in enumerate(REWARDS)
    )
    back = arrow("M713 139V248H611") + arrow("M391 248H220V140", "reward")
    return (
        f'<svg viewBox="0 0 800 300" role="img" aria-label="{escape(word("about.alt"))}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8Z"/></marker></defs>'
        f"{text(8, 20, word('about.stage1'), 'stage')}{text(8, 42, word('about.stage2'), 'stage')}"
        f"{arrows}{back}{boxes}{text(501, 192, word('about.rewards'), 'title')}{chips}</svg>"
    )


def box(kind: str, x: int, width: int, title: str, below: str = "") -> str:
    """A part of the model with its name and a second line."""
    middle = x + width / 2
    lines = text(middle, TOP + (32 if below else 42), title, "title")
    lines += text(middle, TOP + 54, below) if below else ""
    return (
        f'<g class="{kind or "part"}"><rect x="{x}" y="{TOP}" width="{width}" height="{HIGH}" '
        f'rx="12"/>{lines}</g>'
    )


def text(x: float, y: float, content: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{content}</text>'


def arrow(path: str, kind: str = "") -> str:
    return f'<path class="arrow {kind}" d="{path}" marker-end="url(#tip)"/>'


def sources(language: str) -> str:
    """Papers with their arXiv ids, and the licence. All pictures and texts are our own."""
    rows = "".join(
        f'<dt>{name}</dt><dd><a href="https://arxiv.org/abs/{number}" target="_blank" '
        f'rel="noopener noreferrer">arXiv {number}</a>, {say(what, language)}</dd>'
        for name, number, what in SOURCES
    )
    return f"<dl>{rows}<dt>{say('about.licence', language)}</dt><dd>Apache-2.0</dd></dl>"


def installed(studio: Studio, language: str) -> str:
    """The model and the shipped adapters with the digests of their weights, and the versions."""
    rows = [(studio.model.name, size(studio.model, language))]
    for folder in adapter_folders(studio.adapters):
        digest = record_of(folder).hashes[WEIGHTS]
        rows.append((adapter_label(folder), code(digest[:12])))
    used = ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    rows.append((say("about.versions", language), f"Python {sys.version.split()[0]}, {used}"))
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{v}</dd>' for k, v in rows)}</dl>"


def size(model: Path, language: str) -> str:
    """The number of parameters, where the model's record has it, and the digest of its weights."""
    record, weights = model / "pretraining.json", model / "model.safetensors"
    parts = []
    if record.is_file():
        n = json.loads(record.read_text(encoding="utf-8"))["parameters"] / 1e6
        parts.append(say("about.parameters", language, n=f"{n:.1f}"))
    if weights.is_file() and weights.stat().st_size < MOST_HASHED:
        parts.append(code(hashlib.sha256(weights.read_bytes()).hexdigest()[:12]))
    return ", ".join(parts)

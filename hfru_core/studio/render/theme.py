"""Colours, fonts and the headline; everything is served from this machine, fonts too."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes import Color, LocalFont

from hfru_core.studio.i18n.catalogue import say

STYLE = Path(__file__).with_name("style.css")
INK = Color(
    "#f2f5fb",
    "#e3e9f6",
    "#c9d4ee",
    "#a3b4e0",
    "#7a8fcf",
    "#5770bd",
    "#43599f",
    "#384a83",
    "#2c3a66",
    "#212b4c",
    "#171e36",
    name="ink",
)


def headline(language: str) -> str:
    """The page's title and its one-sentence pitch."""
    lead = say("hero.lead", language)
    title = say("hero.title", language)
    return (
        f'<header class="hero"><p class="eyebrow">HFRU Studio</p><h1>{title}</h1>'
        f'<p class="lead">{lead}</p></header>'
    )


def privacy(language: str) -> str:
    """What happens to what visitors bring."""
    return f'<p class="privacy">{say("privacy", language)}</p>'


def theme() -> gr.themes.Base:
    """Calm: white cards on a cool grey, one dark blue accent."""
    return gr.themes.Base(
        primary_hue=INK,
        secondary_hue=INK,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        # Gradio's semibold file lacks some letters.
        font=(LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(LocalFont("IBM Plex Mono"), "ui-monospace", "monospace"),
    ).set(
        body_background_fill="#f5f7fa",
        body_background_fill_dark="#0e131b",
        block_background_fill="#ffffff",
        block_background_fill_dark="#161d28",
        background_fill_primary_dark="#161d28",
        background_fill_secondary_dark="#10161f",
        input_background_fill_dark="#10161f",
        block_border_width="1px",
        block_border_color="#e3e8ef",
        block_border_color_dark="#263041",
        border_color_primary_dark="#2b3648",
        block_shadow="0 1px 2px rgba(20,30,60,.05)",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        input_placeholder_color="*neutral_500",
        block_title_text_weight="600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="#ffffff",
        button_large_radius="*radius_md",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )

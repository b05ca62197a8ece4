"""The Gradio app: its parts, put together, and the settings that it is launched with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from types import MappingProxyType

import gradio as gr
import gradio.mcp
from starlette.middleware import Middleware

from hfru_core.data.samples import Amount
from hfru_core.paths import ASSETS
from hfru_core.studio.api import Api
from hfru_core.studio.i18n import catalogue, server_phrases
from hfru_core.studio.i18n.catalogue import marker, t
from hfru_core.studio.render import answers_html, progress, theme
from hfru_core.studio.server import browser, hardware
from hfru_core.studio.server.first_page import warm_up
from hfru_core.studio.server.gate import Gate
from hfru_core.studio.sessions.studio import JUDGE, TRAIN, Studio
from hfru_core.studio.sessions.tidy import keep_tidy
from hfru_core.studio.tabs import about
from hfru_core.studio.tabs.adapters import Adapters
from hfru_core.studio.tabs.benchmark import REPORT, Benchmark
from hfru_core.studio.tabs.compare import ANSWERING, Compare
from hfru_core.studio.tabs.unlearn import Unlearn

PRIVATE = {
    "share": False, "run_history": False, "enable_monitoring": False, "footer_links": [],
    "max_file_size": "10mb", "show_error": False, "strict_cors": True, "ssr_mode": False,
    "pwa": False, "mcp_server": False, "allowed_paths": [],
    # Else Gradio fetches the page at its start and gives up where a busy machine takes 3 s for it.
    "_frontend": False,
}  # fmt: skip
TEN_MINUTES, HOUR = 600, 3600
FRAGMENTS = {  # HTML that is made once in each language
    "headline.html": theme.headline, "privacy.html": theme.privacy, "lead.html": answers_html.lead,
    "legend.html": answers_html.legend, "waiting.html": answers_html.waiting_cards,
    "unlearn.html": progress.nothing_yet,
}  # fmt: skip


def build_app(
    model: Path = ASSETS / "model",
    data_folder: Path = Path("data"),
    *,
    adapters: Path = ASSETS / "adapters",
    amount: Amount = TRAIN,
    checked: Amount = JUDGE,
    settings: Mapping[str, object] = MappingProxyType({}),
    tabs_after: tuple[Callable[[Studio, gr.Blocks], None], ...] = (),
    bench: Path = REPORT,
) -> gr.Blocks:
    """The whole page; what the arguments mean stands at `Studio`. `tabs_after` add tabs after
    Unlearn, `bench` is the file that the Benchmark tab shows.

    The model is loaded in the background, so that the page is there before it.
    """
    data_folder = Path(data_folder).absolute()
    studio = Studio(
        Path(model), data_folder, Path(adapters), amount, checked, tuple(settings.items())
    )
    os.environ["GRADIO_TEMP_DIR"] = str(studio.cache)
    keep_tidy(studio)
    with gr.Blocks(
        title="HFRU Studio", analytics_enabled=False, delete_cache=(TEN_MINUTES, HOUR)
    ) as page:
        gr.HTML(marker("headline.html"))
        banner = gr.HTML(elem_id="hardware")
        with gr.Tabs(overflow_behavior="wrap") as tabs:
            with gr.Tab(t("tab.compare"), id="compare") as compare_tab:
                compare = Compare(studio)
            with gr.Tab(t("tab.unlearn"), id="unlearn") as unlearn_tab:
                unlearn = Unlearn(studio)
            for add_tab in tabs_after:
                add_tab(studio, page)
            with gr.Tab(t("tab.adapters"), id="adapters") as adapters_tab:
                adapters = Adapters(studio)
            with gr.Tab(t("tab.benchmark"), id="benchmark") as benchmark_tab:
                benchmark = Benchmark(studio, Path(bench))
            with gr.Tab(t("tab.about"), id="about"):
                gr.HTML(marker("about.html"))
        gr.HTML(marker("privacy.html"))
        page.load(hardware_banner, None, banner, api_visibility="private", queue=False)
        compare.wire(page)
        unlearn.wire(page, unlearn_tab, tabs, compare)
        adapters.wire(adapters_tab, tabs, compare)
        benchmark.wire(page, benchmark_tab)
        Api(studio, unlearn).wire(page)
        quiet = {"show_progress": "hidden", **ANSWERING}
        compare_tab.select(compare.offer, None, compare.adapter, **quiet)
    page.queue(max_size=32, api_open=False)
    page.words = catalogue.translations({"about.html": partial(about.html, studio)} | FRAGMENTS)
    warm_up(studio)
    return page


def hardware_banner() -> str:
    """What this machine offers, where that is not plain: on a Space, or with a GPU."""
    found = hardware.here()
    shown = found.space or found.kind != "cpu"
    return f'<p class="hardware">{escape(found.banner)}</p>' if shown else ""


def launch(page: gr.Blocks, host: str, port: int | None, **more: object) -> tuple:
    """Serve the page with the private settings, behind the gate."""
    look = {
        "theme": theme.theme(),
        "css_paths": theme.STYLE,
        "i18n": page.words,
        "head": browser.HEAD + server_phrases.HEAD,
    }
    cache = os.environ["GRADIO_TEMP_DIR"]
    if more.get("mcp_server"):
        gradio.mcp.DEFAULT_TEMP_DIR = cache  # it was read when gradio was imported
    events = {
        key: len(event.inputs)
        for number, event in page.fns.items()
        if event.fn
        for key in (number, event.api_name)
        if key is not False
    }
    gate = Middleware(Gate, data_folder=Path(cache).parent, events=events)
    settings = {**look, **PRIVATE, "app_kwargs": {"middleware": [gate]}, **more}
    return page.launch(server_name=host, server_port=port, **settings)

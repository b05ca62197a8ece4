"""The Gradio app: its tabs put together, and the settings that it is launched with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr
import gradio.route_utils
from pydantic import BaseModel
from starlette.middleware import Middleware

from hfru_core.data.samples import Amount
from hfru_core.paths import ASSETS
from hfru_core.studio.api import Api
from hfru_core.studio.i18n import catalogue, server_phrases
from hfru_core.studio.i18n.catalogue import marker, t
from hfru_core.studio.render import answers_html, progress, theme
from hfru_core.studio.server import browser, hardware, uploads
from hfru_core.studio.server.body import UploadParser
from hfru_core.studio.server.fields import Page
from hfru_core.studio.server.first_page import warm_up
from hfru_core.studio.server.gate import Rules, behind
from hfru_core.studio.server.origin import Served, served
from hfru_core.studio.server.presence import Presence
from hfru_core.studio.server.values import Events
from hfru_core.studio.sessions.background import MOST
from hfru_core.studio.sessions.running import PLACES, Sessions
from hfru_core.studio.sessions.studio import JUDGE, Studio
from hfru_core.studio.sessions.tidy import keep_tidy
from hfru_core.studio.tabs import about
from hfru_core.studio.tabs.adapters import Adapters
from hfru_core.studio.tabs.audit import Audit
from hfru_core.studio.tabs.benchmark import REPORT, Benchmark
from hfru_core.studio.tabs.compare import Compare
from hfru_core.studio.tabs.events import PRIVATE
from hfru_core.studio.tabs.unlearn import Unlearn

LAUNCH: dict[str, Any] = {
    "share": False, "run_history": False, "enable_monitoring": False, "footer_links": [],
    "max_file_size": "10mb", "show_error": False, "strict_cors": True, "ssr_mode": False,
    "pwa": False, "mcp_server": False, "allowed_paths": [],
    # Each takes 0.4 MB, and who invents names for sessions makes one a request.
    "state_session_capacity": 1000,
    # Otherwise Gradio fetches the page at its start and gives up after 3 s on a busy machine.
    "_frontend": False,
    # Every page that watches a session, an audit or a benchmark run holds one; 40 are for the rest.
    "max_threads": 40 + 3 * PLACES * MOST,
}  # fmt: skip
TEN_MINUTES, HOUR = 600, 3600
FRAGMENTS: dict[str, Callable[[str], str]] = {  # HTML that is made once in each language
    "headline.html": theme.headline, "privacy.html": theme.privacy, "lead.html": answers_html.lead,
    "beside.html": partial(answers_html.lead, key="beside"),
    "legend.html": answers_html.legend, "waiting.html": answers_html.waiting_cards,
    "unlearn.html": progress.nothing_yet,
}  # fmt: skip


def build_app(
    model: Path = ASSETS / "model",
    data_folder: Path = Path("data"),
    *,
    photo: Path | None = None,
    adapters: Path = ASSETS / "adapters",
    amount: Amount | None = None,
    checked: Amount = JUDGE,
    settings: Mapping[str, object] = MappingProxyType({}),
    bench: Path = REPORT,
) -> Page:
    """The whole page; what the arguments mean stands at `Studio`, `bench` is the file that
    the Benchmark tab shows.

    The model is loaded in the background, so that the page is there before it.
    """
    data_folder = Path(data_folder).absolute()
    studio = Studio(
        Path(model),
        data_folder,
        Path(adapters),
        amount,
        checked,
        tuple(settings.items()),
        photo if photo and photo.is_dir() else None,
    )
    os.environ["GRADIO_TEMP_DIR"] = str(studio.cache)
    keep_tidy(studio)
    with Page(
        title="HFRU Studio", analytics_enabled=False, delete_cache=(TEN_MINUTES, HOUR)
    ) as page:
        gr.HTML(marker("headline.html"))
        banner = gr.HTML(elem_id="hardware")
        tabs = build_tabs(page, studio, Path(bench))
        gr.HTML(marker("privacy.html"))
        deletion = gr.Button(t("delete.all"), size="sm", elem_id="delete-link")
        deletion.click(adapters_tab, None, tabs, queue=False, **PRIVATE)
        page.load(top_banner, None, banner, queue=False, **PRIVATE)
    page.queue(max_size=32, api_open=False)
    page.line = studio.pages.line
    page.words = catalogue.translations(FRAGMENTS | {"about.html": partial(about.html, studio)})
    warm_up(studio)
    return page


def build_tabs(page: gr.Blocks, studio: Studio, bench: Path) -> gr.Tabs:
    """The tabs in their order, and the API; the tabs are wired once all of them are there."""
    sessions = Sessions(studio)
    with gr.Tabs(overflow_behavior="wrap") as tabs:
        with gr.Tab(t("tab.compare"), id="compare") as compare_tab:
            compare = Compare(studio)
        with gr.Tab(t("tab.unlearn"), id="unlearn") as unlearn_tab:
            unlearn = Unlearn(sessions)
        with gr.Tab(t("tab.audit"), id="audit") as audit_tab:
            audit = Audit(studio)
        with gr.Tab(t("tab.adapters"), id="adapters") as adapters_tab:
            adapters = Adapters(studio)
        with gr.Tab(t("tab.benchmark"), id="benchmark") as benchmark_tab:
            benchmark = Benchmark(studio, bench)
        with gr.Tab(t("tab.about"), id="about"):
            gr.HTML(marker("about.html"))
    compare.wire(page, compare_tab)
    unlearn.wire(page, unlearn_tab, tabs, compare)
    audit.wire(page, audit_tab, compare.opened_page)
    adapters.wire(adapters_tab, tabs, compare)
    benchmark.wire(benchmark_tab, compare.opened_page)
    api = Api(sessions, audit.form.audits, benchmark.runs.benches)
    api.wire()
    adapters.wire_everything(api.everything)
    return tabs


def adapters_tab() -> gr.Tabs:
    """The tab where a visitor can delete what is theirs."""
    return gr.Tabs(selected="adapters")


def top_banner(request: gr.Request) -> str:
    """What this machine offers, and who is logged in with the way out."""
    return hardware_banner() + (logout_form(request.username) if request.username else "")


def logout_form(user: str) -> str:
    """Who is logged in, and a button that ends it: another page cannot press it."""
    return (
        f'<form class="logout" method="post" action="logout"><span>{escape(user)}</span> '
        "<button>Log out</button></form>"
    )


def hardware_banner() -> str:
    """What this machine offers; empty on a plain CPU outside of a Space."""
    machine = hardware.here()
    if machine.kind == "cpu" and not machine.space:
        return ""
    return f'<p class="hardware">{escape(machine.banner)}</p>'


def launch(
    page: Page, host: str, port: int | None, where: Served | None = None, **more: object
) -> tuple:
    """Serve the page with the private settings, behind the gate; `where` says how it is reached,
    else by the names of `host` alone."""
    look = {
        "theme": theme.theme(),
        "css_paths": theme.STYLE,
        "i18n": page.words,
        "head": browser.HEAD + server_phrases.HEAD,
    }
    cache = os.environ["GRADIO_TEMP_DIR"]
    uploads.hide(Path(cache))
    gradio.route_utils.GradioMultiPartParser = UploadParser  # type: ignore[misc]  # its limits are fixed
    mcp = bool(more.get("mcp_server"))
    rules = Rules(Path(cache).parent, inputs(page), where or served(host), mcp)
    presence = Middleware(Presence, line=page.line, page_of=partial(page_of, page))
    kwargs = {"lifespan": behind(rules), "middleware": [presence]}
    settings = {**look, **LAUNCH, "app_kwargs": kwargs, **more}
    return page.launch(server_name=host, server_port=port, **settings)


def page_of(page: gr.Blocks, event: str) -> str:
    """The page, or client, that an event came from; a client without a name has its event's."""
    found = page._queue.event_ids_to_events.get(event)
    return found.session_hash if found else event


def inputs(page: gr.Blocks) -> Events:
    """What each value of an event looks like, by the event's number and by its API name."""
    found: dict[int | str, tuple[type[BaseModel] | None, ...]] = {}
    for number, event in page.fns.items():
        if event.fn:
            models = tuple(getattr(block, "data_model", None) for block in event.inputs)
            found[number] = models
            if isinstance(event.api_name, str):
                found[event.api_name] = models
    return found

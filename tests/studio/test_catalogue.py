"""The interface's words: both languages, all of them used, none of them missing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import gradio as gr
import pytest

from hfru_core.studio.app import FRAGMENTS, build_app
from hfru_core.studio.i18n.catalogue import LANGUAGES, TEXTS, marker, say, t, translations
from hfru_core.studio.i18n.server_phrases import PHRASES
from tests.conftest import ROOT

SOURCES = [*ROOT.glob("hfru_core/studio/**/*.py")]
USED = re.compile(r"""\b(?:t|text|say|word|waiting)\(\s*f?["']([^"']+)["']""")
KEYS = re.compile(r"""["']([a-z]+(?:\.[a-z0-9]+)*)["']""")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SAME = {"hub"}  # a name


def test_both_languages_have_the_same_keys_and_fields() -> None:
    made = translations(FRAGMENTS).translations
    assert list(made) == list(LANGUAGES) and made["en"].keys() == made["zh-CN"].keys()
    for key, (english, chinese) in TEXTS.items():
        assert english.strip() and (key in SAME or CHINESE.search(chinese)), key
        assert re.findall(r"{\w+}", english) == re.findall(r"{\w+}", chinese), key
        assert re.findall(r"<\w+", english) == re.findall(r"<\w+", chinese) or "<i>" in english


def test_no_text_is_unused() -> None:
    written = "\n".join(p.read_text(encoding="utf-8") for p in SOURCES if p.name != "catalogue.py")
    patterns = [re.sub(r"\\?{.*?}", ".+", re.escape(k)) for k in USED.findall(written)]
    named = set(KEYS.findall(written))
    unused = [k for k in TEXTS if k not in named and not any(re.fullmatch(p, k) for p in patterns)]
    assert not unused


def test_a_text_that_does_not_exist_is_found_when_the_page_is_built() -> None:
    with pytest.raises(KeyError, match=r"no text 'tab\.compar'"):
        t("tab.compar")
    assert say("start", "zh-CN") == "开始"


def test_the_page_has_no_words_of_its_own_on_its_labels(tmp_path: Path) -> None:
    """Labels and buttons come from the texts, so that none stays English alone."""
    page = build_app(data_folder=tmp_path)
    known = {marker(k) for k in TEXTS}
    shown = (gr.Button, gr.UploadButton, gr.DownloadButton)
    bare = {
        str(text)
        for block in page.blocks.values()
        for text in [block.value if isinstance(block, shown) else getattr(block, "label", None)]
        if text and str(text) not in known and not str(getattr(block, "elem_id", "")) == "None"
    }
    assert not bare


def test_every_phrase_is_said_somewhere_and_keeps_its_values() -> None:
    files = [p for where in ("hfru_core", "audit") for p in (ROOT / where).rglob("*.py")]
    said = " ".join(
        node.value
        for p in files
        if p.name != "server_phrases.py"
        for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    said = re.sub(r"\s+", " ", said)
    for english, chinese in PHRASES.items():
        parts = [p.strip() for p in re.split(r"{\w+}", english)]
        assert all(p in said for p in parts), english
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", chinese))
        assert CHINESE.search(chinese) or parts != [english]

"""What the documents name exists: links, paths, command lines; and README stays short."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from audit import __main__ as audit
from audit.zoo import __main__ as zoo
from hfru_core.cli import app, main
from tests.conftest import ROOT

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OURS = re.compile(r"(?:hfru_core|audit|assets|tests|docs|\.ci)/[\w./*-]*")
PLACEHOLDER = re.compile(r"[A-Z]{3,}(?!\w)")
COMMAND = re.compile(
    r"(?:^|\s)(?:-m (hfru_core|audit\.zoo|audit)|python (app\.py)|(hfru-audit|hfru))(?=\s|$)(.*)",
    re.S,
)
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
MEASURE = re.compile(r"-m tests\.measure\.(\w+)")
MADE = {"tests/browser/shots"}  # by the tests
MOST_WORDS = 1400


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(page)), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def code(page: Path) -> Iterator[str]:
    """Every line of a code block, and every inline code, which may be broken over two lines."""
    for block in FENCE.findall(text(page)):
        yield from block.splitlines()
    for piece in INLINE.findall(FENCE.sub("", text(page))):
        yield " ".join(piece.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", text(page))):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in slugs(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # It names what has gone too.
        return
    for piece in code(page):
        for path in OURS.findall(piece):
            if path not in MADE and not PLACEHOLDER.search(path):
                assert list(ROOT.glob(path.rstrip("/"))), f"{page.name}: {path}"


def test_the_file_map_is_the_tree() -> None:
    block = text(ROOT / "README.md").split("## Files")[1].split("```")[1]
    parent = ""
    for line in filter(None, block.splitlines()):
        name = re.match(r" *((?:[\w.]+/? )*?[\w.]+/?)(?:  |$)", line)[1]
        inner = line.startswith("  ")
        for part in name.split(" "):
            path = ROOT / (parent if inner else "") / part
            assert path.exists(), line
            assert path.is_dir() == part.endswith("/"), line
        parent = parent if inner else name


def commands() -> list[tuple[str, str, str]]:
    found = []
    for page in PAGES:
        for piece in code(page):
            match = COMMAND.search(piece)
            if match and "..." not in piece:
                found.append((page.name, match[1] or match[2] or match[3], match[4].strip()))
    return list(dict.fromkeys(found))


def parser_for(program: str, words: list[str]) -> argparse.ArgumentParser:
    if program == "audit.zoo":
        return zoo.parser()
    if program in ("audit", "hfru-audit"):
        options, _ = audit.COMMANDS.get("".join(words[:1]), (audit.parser, None))
        return options()
    if program == "app.py":
        return app.parser()
    return main.parser()


@pytest.mark.parametrize(("page", "program", "rest"), commands())
def test_every_command_line_parses(page: str, program: str, rest: str) -> None:
    words = shlex.split(rest, comments=True)
    read = parser_for(program, words)
    if program in ("audit", "hfru-audit") and "".join(words[:1]) in audit.COMMANDS:
        words = words[1:]
    mentioned = len(words) < 2 and not (words and words[0].startswith("-"))
    if mentioned:  # the program or one of its commands, by name alone
        must_exit_well(read.parse_args, [*words, "--help"])
    else:
        read.parse_args(words)


def must_exit_well(parse: Callable, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 0


def test_every_measuring_script_exists() -> None:
    found = {n for page in PAGES for piece in code(page) for n in MEASURE.findall(piece)}
    assert len(found) > 8
    assert not [n for n in found if not (ROOT / "tests" / "measure" / f"{n}.py").is_file()]


def test_commands_were_found() -> None:
    assert len(commands()) > 30
    assert {program for _, program, _ in commands()} >= {"hfru", "hfru-audit", "hfru_core", "audit"}


def test_readme_is_short() -> None:
    body = FENCE.sub("", text(ROOT / "README.md").split("---\n", 2)[2])
    assert len(body.split()) <= MOST_WORDS


def test_the_front_matter_is_what_a_space_reads() -> None:
    head = yaml.safe_load(text(ROOT / "README.md").split("---\n")[1])
    assert {"title", "emoji", "license"} <= set(head)
    assert head["sdk"] == "gradio" and (ROOT / head["app_file"]).is_file()
    assert f"gradio=={head['sdk_version']}\n" in (ROOT / "constraints.txt").read_text()
    assert head["python_version"].split(".")[:2] == ["3", "12"]
    assert {head["colorFrom"], head["colorTo"]} <= COLOURS
    assert len(head["short_description"]) <= 60

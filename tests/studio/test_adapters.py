"""The Adapters tab's functions: every visitor's own, checked, escaped; a token is never kept."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from hfru_core.adapters import archive as bundle
from hfru_core.adapters import combine, hub
from hfru_core.adapters.validate import INFO, checked_record
from hfru_core.studio.render.adapter_html import facts, measured
from hfru_core.studio.sessions.adapters import adapter_label
from hfru_core.studio.sessions.studio import MOST_OWN, Studio
from hfru_core.studio.tabs import adapters as tab
from hfru_core.studio.tabs.adapters import Adapters
from tests.conftest import ROOT
from tests.server import uploaded

ANN, BOB = SimpleNamespace(session_hash="ann"), SimpleNamespace(session_hash="bob")
NAME = "shipped/no-dogs"


@pytest.fixture
def panel(tiny_folder: Path, trained: Path, tmp_path: Path) -> Adapters:
    studio = Studio(tiny_folder, tmp_path / "data", trained.parent)
    with gr.Blocks():
        return Adapters(studio)


def mine(panel: Adapters, who: SimpleNamespace = ANN) -> list[str]:
    """The names of somebody's own adapters."""
    names = panel.studio.choices(panel.studio.visitor(who.session_hash))
    return [n for n in names if n.startswith("mine/")]


def sent(trained: Path, tmp_path: Path, name: str = "dogs.zip") -> Path:
    """A zip as it lies where the server put what was uploaded."""
    return bundle.pack(trained, uploaded(tmp_path / "data", name))


def upload(panel: Adapters, trained: Path, tmp_path: Path) -> str:
    chosen, _ = panel.uploaded(str(sent(trained, tmp_path)), ANN)
    return chosen.value


def test_an_upload_is_checked_chosen_and_its_senders_alone(
    panel: Adapters, trained: Path, tmp_path: Path
) -> None:
    file = sent(trained, tmp_path)
    chosen, several = panel.uploaded(str(file), ANN)
    assert chosen.value == "mine/dogs" and not file.exists()
    assert chosen.choices == several.choices
    assert ("Without dog (yours)", "mine/dogs") in panel.studio.labels(panel.studio.visitor("ann"))
    assert not mine(panel, BOB)
    with pytest.raises(gr.Error, match="no longer here"):
        panel.show("mine/dogs", BOB)


def test_a_hostile_upload_is_refused_and_deleted(panel: Adapters, tmp_path: Path) -> None:
    file = uploaded(tmp_path / "data", "x.zip")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("<b>.pkl", b"x")
    with pytest.raises(gr.Error, match="&lt;b&gt;.pkl.*may be a pickle"):
        panel.uploaded(str(file), ANN)
    assert not file.exists() and not mine(panel)


def test_two_alike_can_be_told_apart(panel: Adapters, trained: Path, tmp_path: Path) -> None:
    assert upload(panel, trained, tmp_path) != upload(panel, trained, tmp_path)
    labels = [label for label, _ in panel.studio.labels(panel.studio.visitor("ann"))]
    assert len(set(labels)) == len(labels) == 3


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({}, "Without dog"),
        ({"preset": "deep"}, "Without dog (deep)"),
        ({"method": "npo", "preset": "published"}, "Without dog (npo)"),
    ],
)
def test_a_label_says_how_it_was_made(
    change: dict, label: str, trained: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "made")
    info = json.loads((folder / "unlearning.json").read_text())
    info["config"] |= change
    (folder / "unlearning.json").write_text(json.dumps(info))
    assert adapter_label(folder) == label


def test_there_is_an_end_to_what_a_visitor_may_bring(
    panel: Adapters, trained: Path, tmp_path: Path
) -> None:
    runs = panel.studio.folder(panel.studio.visitor("ann")) / "runs"
    for i in range(MOST_OWN):
        shutil.copytree(trained, runs / f"{i}")
    with pytest.raises(gr.Error, match=f"{MOST_OWN} adapters of your own"):
        upload(panel, trained, tmp_path)
    assert not mine(panel, BOB)


def test_an_adapter_is_shown_with_its_zip_and_both_answers(
    panel: Adapters, trained: Path, tmp_path: Path
) -> None:
    shown, rates, download, picture, strength, cards, merged = panel.show(NAME, ANN)
    assert "not audited" in shown and "tiny" in shown and "preset default" in shown
    assert 'data-testid="original"' in cards and 'data-testid="unlearned"' in cards
    assert strength == 1.0 and merged.visible is False and picture.value
    assert "Forgotten" in rates and "95 % interval" in rates
    bundle.unpack(
        Path(download.value["path"] if isinstance(download.value, dict) else download.value),
        tmp_path / "back",
    )
    assert checked_record(tmp_path / "back") == checked_record(trained)


def test_strength_nought_is_the_original_model(panel: Adapters) -> None:
    assert "same answer as the original" in panel.answer(NAME, 0.0, ANN)
    assert panel.answer(NAME, 1.0, ANN) == panel.show(NAME, ANN)[5]
    assert tab.STRONGEST == combine.STRONGEST


def test_a_strength_is_kept_as_an_adapter(panel: Adapters) -> None:
    chosen, _ = panel.keeps(NAME, 0.5, ANN)
    folder = panel.studio.adapter(panel.studio.visitor("ann"), chosen.value)
    assert checked_record(folder).parts[0].strength == 0.5
    assert ("Without dog at 50% (yours)", chosen.value) in panel.studio.labels(
        panel.studio.visitor("ann")
    )
    shown, rates, *_ = panel.show(chosen.value, ANN)
    assert "dog at 50%" in shown and "Not measured" in rates and "0%" not in rates


def test_a_stack_is_an_adapter_like_any_other(panel: Adapters) -> None:
    half, _ = panel.keeps(NAME, 0.5, ANN)
    chosen, _ = panel.stacked([NAME, half.value], ANN)
    assert len(mine(panel)) == 2 and "(sum of 2)" in str(chosen.choices)
    with pytest.raises(gr.Error, match="at least two adapters"):
        panel.stacked([NAME], ANN)
    with pytest.raises(gr.Error, match="no longer here"):
        panel.stacked([NAME, half.value], BOB)


def test_a_merged_model_is_offered_and_nothing_else_stays(panel: Adapters) -> None:
    button = panel.merges(NAME, ANN)
    value = button.value["path"] if isinstance(button.value, dict) else button.value
    names = {Path(n).name for n in zipfile.ZipFile(value).namelist()}
    assert {"model.safetensors", "config.json", "tokenizer.json", INFO, "README.md"} <= names
    assert not list(panel.studio.folder(panel.studio.visitor("ann")).iterdir())
    assert not mine(panel)


def test_a_push_uses_the_token_of_the_form_once(
    panel: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def push(folder: Path, repo: str, **more: object) -> hub.Origin:
        given.update(more, folder=folder.name, repo=repo)
        return hub.Origin("me/<x>", "f" * 40, True, "https://hub.test/me/x")

    monkeypatch.setattr(hub, "push", push)
    (_, first), (said, token) = panel.pushes(NAME, " me/x ", True, "secret", ANN)
    assert first == "", "the field is empty before the request is made"
    assert given == {"token": "secret", "private": True, "folder": "no-dogs", "repo": "me/x"}
    assert token == "" and "me/&lt;x&gt;" in said and "private" in said and "secret" not in said
    assert panel.private.value is True and panel.token.type == "password"


def test_the_owners_token_is_not_the_visitors(
    panel: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "the-owners")
    with pytest.raises(gr.Error, match="Enter a Hugging Face token with write access"):
        list(panel.pushes(NAME, "me/x", True, "", ANN))
    given = {}

    def pull(repo: str, out: Path, **more: object) -> None:
        given.update(more)
        raise hub.UserError("not here")

    monkeypatch.setattr(hub, "pull", pull)
    with pytest.raises(gr.Error, match="not here"):
        list(panel.pulled("me/x", "", "", ANN))
    assert given == {"revision": None, "token": ""}


def test_a_pull_lands_in_the_visitors_folder_and_says_where_it_is_from(
    panel: Adapters, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull(repo: str, out: Path, *, revision: str | None, token: str) -> None:
        shutil.copytree(trained, out)
        values = {"repo": repo, "revision": revision, "private": False, "url": "https://x"}
        (out / hub.ORIGIN).write_text(json.dumps(values))

    monkeypatch.setattr(hub, "pull", pull)
    *_, (chosen, _, token) = panel.pulled("me/no-dogs", "v1", "secret", ANN)
    assert chosen.value == "mine/no_dogs" and token == "" and not mine(panel, BOB)
    assert "me/no-dogs at v1" in panel.show(chosen.value, ANN)[0]


def test_the_verdict_is_that_of_these_very_weights(trained: Path) -> None:
    reports = sorted((ROOT / "assets" / "reports").glob("audit-*/report.json"))
    dog = checked_record(ROOT / "assets" / "adapters" / "dog")
    state = json.loads((ROOT / "assets/reports/audit-dog/report.json").read_text())["verdict"]
    assert f">{state['state']}, deep</span>" in facts(dog, None, reports)
    assert "not audited" in facts(checked_record(trained), None, reports)


def test_markup_in_a_record_is_shown_as_text(trained: Path) -> None:
    record, evil = checked_record(trained), "<img src=x>"
    record = replace(
        record,
        concepts=(replace(record.concepts[0], name=evil),),
        base=replace(record.base, name=evil),
        config={**record.config, "preset": evil},
        data=replace(record.data, source=evil),
    )
    shown = facts(record, evil, []) + measured(record)
    assert "<img" not in shown and shown.count("&lt;img") == 5

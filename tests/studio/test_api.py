"""The API as programs use it: the documented example, privacy, quotas, and leaving."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import gradio_client
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from audit.criteria import State
from hfru_core import child_process
from hfru_core.data import drawn
from hfru_core.model import vlm
from hfru_core.studio.api import Api
from hfru_core.studio.examples import example_for
from hfru_core.studio.sessions import audit_run
from hfru_core.studio.sessions.studio import MOST_OWN
from tests.conftest import ROOT
from tests.server import PATIENCE, served

NAMES = {
    "describe",
    "unlearn",
    "audit",
    "list_adapters",
    "fetch_adapter",
    "delete_adapter",
    "delete_everything",
}
REPORT = ROOT / "assets" / "reports" / "audit-dog"
PATIENT = {"timeout": PATIENCE}
LINE = {"audits": ["behavior"], "done": 0, "found": 0}


def fake_audit(model: Path, folder: Path, level: str, out: Path, *more: object) -> list[str]:
    """A finished report put in place: audits have tests of their own and take a minute."""
    told = f"print({json.dumps(LINE)!r}, flush=True)"
    return [
        sys.executable,
        "-c",
        f"import shutil; {told}; shutil.copytree({str(REPORT)!r}, {str(out)!r})",
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_run, "command", fake_audit)
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        with served(tmp_path_factory.mktemp("api")) as (_, address):
            yield address


@pytest.fixture
def client(url: str, tmp_path: Path) -> Iterator[Client]:
    client = Client(
        url,
        verbose=False,
        analytics_enabled=False,
        download_files=tmp_path / "got",
        httpx_kwargs=dict(PATIENT),
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    drawn.draw(example_for(()), 256).save(path)
    return path


def example() -> str:
    """The code block of the section on programs in docs/architecture.md."""
    section = (
        (ROOT / "docs" / "architecture.md")
        .read_text(encoding="utf-8")
        .split("## From a program")[1]
    )
    return re.search(r"```python\n(.*?)```", section, re.S)[1]


def test_the_documented_example_runs_as_it_stands(
    url: str,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def here(address: str) -> Client:
        assert address == "http://127.0.0.1:7860"
        return Client(
            url, verbose=False, download_files=tmp_path / "got", httpx_kwargs=dict(PATIENT)
        )

    code = example()
    assert len(code.strip().splitlines()) <= 15
    monkeypatch.setattr(gradio_client, "Client", here)
    monkeypatch.chdir(picture.parent)
    names: dict = {}
    exec(compile(code, "architecture.md", "exec"), names)
    said = capsys.readouterr().out
    assert "dog" in said and "Stage 1" in said and "Stage 2" in said and "leak" in said
    check_adapter(Path(names["file"]), tmp_path / "adapter")


def check_adapter(archive: Path, out: Path) -> None:
    """PEFT loads what came, on the model that it is for."""
    from peft import PeftModel

    zipfile.ZipFile(archive).extractall(out)
    (folder,) = out.iterdir()
    model = PeftModel.from_pretrained(vlm.load(device="cpu").model, folder)
    assert any("lora_B" in n and p.abs().sum() > 0 for n, p in model.named_parameters())


def test_seven_endpoints_are_named_and_documented(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert {n.strip("/") for n in named} == NAMES
    for name, told in named.items():
        assert len(told["description"]) > 40, name
        for part in told["parameters"]:
            assert part["parameter_name"] in told["description"] or part["python_type"]["type"]


def test_the_documented_verdicts_are_those_of_the_audit() -> None:
    told = re.search(r"verdict \((.+?)\)", Api.audit.__doc__ or "")
    assert told and set(re.split(", | or ", told[1])) == set(get_args(State))


def test_both_answers_come_back(client: Client, picture: Path) -> None:
    said = client.predict(handle_file(picture), "What is it?", "shipped/dog", api_name="/describe")
    assert "dog" in said["original"].lower() and "dog" not in said["unlearned"].lower()


def test_no_client_sees_anothers_adapter(url: str, client: Client) -> None:
    made = client.submit(["dog"], "default", 4, api_name="/unlearn").result(PATIENCE)
    assert made["adapter"] == "mine/no-dog"
    assert 0 <= made["rates"]["forget"]["low"] <= made["rates"]["forget"]["rate"]
    assert made["adapter"] in [a["name"] for a in client.predict(api_name="/list_adapters")]
    other = Client(url, verbose=False, analytics_enabled=False, httpx_kwargs=dict(PATIENT))
    assert made["adapter"] not in [a["name"] for a in other.predict(api_name="/list_adapters")]
    for name in ("fetch_adapter", "audit"):
        with pytest.raises(AppError, match="no adapter"):
            other.predict(made["adapter"], api_name=f"/{name}")
    other.close()


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("unlearn", (["unicorn"], "default", 4), "Unknown concept"),
        ("unlearn", ("dog", "default", 4), "list of 1 to"),
        ("unlearn", (["dog"] * 99, "default", 4), "list of 1 to"),
        ("unlearn", ([{"a": 1}], "default", 4), "text that is not empty"),
        ("unlearn", (["dog"], "fast", 4), "Unknown preset"),
        ("unlearn", (["dog"], "default", 10**9), "2 to 400"),
        ("unlearn", (["dog"], "default", True), "2 to 400"),
        ("audit", ("shipped/dog", "slow"), "level is one of"),
        ("audit", (["shipped/dog"], "deep"), "adapter is a name"),
        ("fetch_adapter", ("../../etc",), "no adapter"),
        ("describe", ("/etc/passwd", "What is it?", ""), "picture is an upload"),
        ("describe", ({"path": "/etc/passwd"}, "What is it?", ""), "picture is an upload"),
    ],
)
def test_a_wrong_value_is_answered_with_a_reason(
    client: Client, name: str, values: tuple, said: str
) -> None:
    with pytest.raises(AppError, match=said):
        client.predict(*values, api_name=f"/{name}")


def test_a_client_has_an_end_to_its_adapters_too(
    url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfru_core.studio.sessions.studio.MOST_OWN", 0)
    assert MOST_OWN > 0
    with pytest.raises(AppError, match="which is the most"):
        client.predict(["dog"], "default", 4, api_name="/unlearn")


LEAVES = """
import os
from gradio_client import Client
job = Client({url!r}, verbose=False).submit(["dog"], "default", 400, api_name="/unlearn")
for told in job:
    if "step" in told["detail"]:
        os._exit(0)
"""


def test_a_client_that_dies_frees_the_device(url: str, client: Client) -> None:
    ran = subprocess.run([sys.executable, "-c", LEAVES.format(url=url)], timeout=PATIENCE)
    assert ran.returncode == 0
    began = time.monotonic()
    next(iter(client.submit(["dog"], "default", 2, api_name="/unlearn")))
    assert time.monotonic() - began < 60, "400 steps would take minutes"


def test_an_audit_leaves_no_process_behind(
    url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = []

    def endless(*asked: object) -> list[str]:
        marks.append(asked)
        code = f"import time; print({json.dumps(LINE)!r}, flush=True); time.sleep(600)"
        return [sys.executable, "-c", code]

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(audit_run, "command", endless)
    monkeypatch.setattr(
        child_process.subprocess,
        "Popen",
        lambda *a, **k: started.append(popen(*a, **k)) or started[-1],
    )
    job = client.submit("shipped/dog", "standard", api_name="/audit")
    assert any("behavior" in told["title"] for told in iter_until(job, "behavior"))
    job.cancel()
    until = time.monotonic() + 60
    while started[0].poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    assert marks and started[0].poll() is not None


def iter_until(job: object, word: str) -> Iterator[dict]:
    for told in job:
        yield told
        if word in told["title"]:
            return


def test_the_example_audit_is_what_the_page_shows(client: Client, tmp_path: Path) -> None:
    *_, last = client.submit("shipped/dog", "standard", api_name="/audit")
    assert last["verdict"] == json.loads((REPORT / "report.json").read_text())["verdict"]["state"]
    shutil.copy(last["report"], tmp_path / "report.html")
    assert "<html" in (tmp_path / "report.html").read_text().lower()

"""What goes wrong around a session: a full GPU, a full disk, a clock that jumps, a killed app, a
visitor who goes away. It ends in advice, what was finished is not lost, the device is free."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
import torch

from hfru_core.data.samples import Amount
from hfru_core.data.source import load_image
from hfru_core.model import rollout, vlm
from hfru_core.session import UnlearnSession
from hfru_core.studio.errors import as_message
from hfru_core.studio.sessions import interrupted, runner
from hfru_core.studio.sessions.runner import Pace, Report, Run, Wish, follow
from hfru_core.studio.sessions.running import Sessions
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.unlearn import Unlearn
from hfru_core.types import UnlearnData, UserError

ROOT = Path(__file__).parents[2]
SMALL, FEW = Amount(4, 6, 2, 2), Amount(0, 0, 2, 2)
SHORT = {
    "batch": 4, "retain_batch": 4, "grpo_prompts": 4, "group": 2, "max_new_tokens": 6,
    "lora_rank": 2, "checkpoint_every": 2, "check_every": 4,
}  # fmt: skip
WISH = Wish(("dog",), steps=4)
ANN = SimpleNamespace(session_hash="ann")


@pytest.fixture
def studio(tiny_folder: Path, tmp_path: Path) -> Studio:
    return Studio(
        tiny_folder, tmp_path / "data", tmp_path / "none", SMALL, FEW, tuple(SHORT.items())
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "stop")


def session_of(studio: Studio, run: Run, wish: Wish = WISH) -> Iterator[Report]:
    return follow(studio, run, wish, studio.folder("ann") / "runs")


def until_step(reports: Iterator[Report], step: int) -> Report:
    return next(r for r in reports if r.events and r.events[-1].step >= step)


def saved(reports: Iterator[Report]) -> Report:
    """The report that the adapter is there; it is not judged any more."""
    last = next(r for r in reports if r.adapter)
    reports.close()
    return last


# A full GPU


def fails(times: int, true: Callable) -> Callable:
    """Torch's error of a full GPU so many times, then the true function."""
    left = iter(range(times))

    def failing(*args: object, **kwargs: object) -> object:
        if next(left, None) is not None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return true(*args, **kwargs)

    return failing


def test_a_step_that_does_not_fit_ends_in_advice_and_keeps_the_checkpoint(
    session: Callable[..., UnlearnSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = session()
    steps = made.run()
    next(steps), next(steps)
    monkeypatch.setattr(made.method, "backward", fails(1, made.method.backward))
    with pytest.raises(UserError, match=r"too small.*--group 4.*nf4.*--checkpointing"):
        list(steps)
    assert (made.work / "checkpoint-2.safetensors").is_file()
    assert not (made.work / "lock").exists()


def test_answers_that_do_not_fit_are_given_in_smaller_batches(
    tiny: vlm.VLM, small_data: UnlearnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = small_data.samples[:6]
    images, questions = [load_image(s.image) for s in rows], [s.question for s in rows]
    wanted = tiny.answer(images, questions)
    monkeypatch.setattr(rollout, "prefill", fails(2, rollout.prefill))
    assert tiny.answer(images, questions) == wanted
    assert tiny.batch < 6


def test_one_answer_that_does_not_fit_ends_in_advice(
    tiny: vlm.VLM, small_data: UnlearnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "prefill", fails(99, rollout.prefill))
    image = load_image(small_data.samples[0].image)
    with pytest.raises(UserError, match="too small even for one answer.*nf4.*smaller model"):
        tiny.answer([image] * 4, ["What is it?"] * 4)


def test_a_model_that_does_not_fit_ends_in_advice(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vlm, "from_disk", fails(1, vlm.from_disk))
    with pytest.raises(UserError, match="too small for this model.*nf4"):
        vlm.load(tiny_folder, device="cpu")


# A full disk


def test_a_full_disk_keeps_the_session_and_stop_still_works(
    studio: Studio, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = session_of(studio, run)
    until_step(reports, 3)
    true = os.replace

    def full(source: Path, target: Path) -> None:
        if "checkpoint" in str(source):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        true(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="No space left.*Free some space"):
        list(reports)
    monkeypatch.undo()
    runs = studio.folder("ann") / "runs"
    ((label, name),) = interrupted.labels(runs)
    assert label == "dog, seed 0: 2 steps done" and name == "no-dog.part"
    monkeypatch.setattr(Path, "write_text", fail_full)
    run.stop(left=True)
    assert run.left and run.stopped


def fail_full(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_in_words() -> None:
    with pytest.raises(gr.Error, match="disk of this machine is full"), as_message():
        fail_full()
    with pytest.raises(PermissionError), as_message():
        raise PermissionError(errno.EACCES, "no")


# A clock that jumps


def test_a_clock_that_jumps_moves_neither_what_is_left_nor_the_session(
    studio: Studio, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 1e9 if next(jumps) % 2 else 4e9)
    last = saved(session_of(studio, run))
    assert last.adapter.is_dir()
    assert all(0 <= e.seconds < 300 for e in last.events)
    assert Pace(last.config).left(last.events[0]) < 300 * last.config.steps


def test_folders_from_the_future_expire_a_day_after_they_were_seen(studio: Studio) -> None:
    folder, year = studio.folder("ann"), 365 * 24 * 3600
    os.utime(folder, (time.time() + year,) * 2)
    studio.sweep()
    assert folder.is_dir(), "the clock was set back: nobody knows how old it is"
    assert folder.stat().st_mtime <= time.time() + 1
    os.utime(folder, (time.time() - year,) * 2)
    studio.sweep()
    assert not folder.exists()


# A session that was cut off


def test_what_was_cut_off_goes_on_and_ends_as_if_it_had_not_been(
    studio: Studio, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = studio.folder("ann") / "runs"
    whole = saved(session_of(studio, Run(tmp_path / "other")))
    whole.adapter.rename(tmp_path / "whole")
    reports = session_of(studio, run)
    until_step(reports, 2)
    shutil.copytree(runs / "no-dog.part", tmp_path / "killed")  # As a killed app leaves it.
    (tmp_path / "killed" / "lock").write_text(str(os.getpid()))  # Its number may be ours by now.
    reports.close()
    assert interrupted.labels(runs), "a visitor who leaves may come back within a day"
    shutil.rmtree(runs / "no-dog.part")
    shutil.move(tmp_path / "killed", runs / "no-dog.part")
    assert interrupted.labels(runs) == [("dog, seed 0: 2 steps done", "no-dog.part")]
    wish = interrupted.kept(runs / "no-dog.part")
    assert wish == WISH
    done = saved(session_of(studio, Run(tmp_path / "third", out=runs / "no-dog"), wish))
    assert [e.step for e in done.events] == [e.step for e in whole.events]
    assert weights(done.adapter) == weights(tmp_path / "whole")
    assert interrupted.labels(runs) == []


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def test_a_new_session_does_not_take_the_place_of_one_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "no-dog.part").mkdir()
    (tmp_path / "no-dog-2").mkdir()
    assert runner.folder_for(tmp_path, WISH).name == "no-dog-3"


def test_the_tab_offers_what_was_cut_off_to_its_visitor_alone(studio: Studio) -> None:
    with gr.Blocks():
        tab = Unlearn(Sessions(studio))
    runs = studio.folder(studio.visitor("ann")) / "runs"
    (runs / "no-dog.part").mkdir(parents=True)
    interrupted.keep(WISH, runs / "no-dog.part")
    (runs / "damaged.part").mkdir()
    (runs / "damaged.part" / "wish.json").write_text("{")
    row, cut = tab.interrupted.offer(ANN)
    assert row.visible and cut.value == "no-dog.part" and len(cut.choices) == 1
    assert not tab.interrupted.offer(SimpleNamespace(session_hash="bob"))[0].visible
    with pytest.raises(gr.Error, match="no longer here"):
        tab.begin_again("../no-dog.part", ANN)
    tab.begin_again("no-dog.part", ANN)
    started = tab.sessions.runs[studio.visitor("ann")]
    assert started.wish == WISH and started.out == runs / "no-dog"
    assert not tab.interrupted.offer(ANN)[0].visible, "it is under way"
    tab.halt(ANN)
    assert not tab.sessions.runs, "what only waits is out at once"
    tab.interrupted.delete("no-dog.part", ANN)
    assert not (runs / "no-dog.part").exists()


# A visitor who goes away, an app that is killed


@pytest.mark.parametrize("phase", ["Preparing", "Judging the result"])
def test_the_device_is_free_between_two_batches_of_answers(
    studio: Studio, run: Run, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = session_of(studio, run)
    next(r for r in reports if r.title == phase)
    run.stop(left=True)
    asked: list[int] = []
    true = rollout.prefill
    monkeypatch.setattr(rollout, "prefill", lambda *a: asked.append(1) or true(*a))
    assert list(reports) == [] and not asked
    assert not list((studio.folder("ann") / "runs").glob("*.part"))


def test_stop_while_preparing_ends_it(studio: Studio, run: Run) -> None:
    reports = session_of(studio, run)
    next(reports)
    run.stop()
    assert [r.title for r in reports] == ["Stopped"]


ORPHAN = """
import subprocess, sys, time
from hfru_core.child_process import environment
child = subprocess.Popen([sys.executable, "-c", {child!r}], env=environment())
print(child.pid, flush=True)
time.sleep(300)
"""
CHILD = (
    "from hfru_core.child_process import end_with_parent; end_with_parent(); "
    "import time; time.sleep(300)"
)


def test_a_killed_app_leaves_no_work_behind() -> None:
    app = subprocess.Popen(
        [sys.executable, "-c", ORPHAN.format(child=CHILD)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(app.stdout.readline())
    time.sleep(2)
    os.kill(child, 0)
    app.send_signal(signal.SIGKILL)
    app.wait()
    until = time.monotonic() + 60
    while alive(child) and time.monotonic() < until:
        time.sleep(0.2)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing() -> None:
    env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GRADIO_ANALYTICS_ENABLED": "False"}
    line = [sys.executable, "-m", "tests.measure.kills", "--kills", "2", "--only", "sessions"]
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])["sessions"]
    assert told["n"] == 2 and told["finished"] >= 1 and not told["lost"]

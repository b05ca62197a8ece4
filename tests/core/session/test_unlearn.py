"""A session moves what it may, repeats itself, survives being killed, and refuses with reasons."""

import errno
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hfru_core.adapters import folder
from hfru_core.adapters.validate import WEIGHTS, checked_record
from hfru_core.config import UnlearnConfig
from hfru_core.methods import hfru
from hfru_core.model import vlm
from hfru_core.session import UnlearnSession, checkpoint
from hfru_core.session import unlearn as module
from hfru_core.types import StepEvent, UnlearnData, UserError

MakeSession = Callable[..., UnlearnSession]


def weights_hash(folder: Path) -> str:
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def base_weights(model: vlm.VLM) -> dict[str, torch.Tensor]:
    """Every weight of the base model, under the names that it has without an adapter."""
    return {
        name.replace(".base_layer", ""): value.clone()
        for name, value in model.core.state_dict().items()
        if "lora_" not in name
    }


def fresh(
    tiny_folder: Path, data: UnlearnData, config: UnlearnConfig, out: Path, **changes: object
) -> UnlearnSession:
    return UnlearnSession(vlm.load(tiny_folder, device="cpu"), data, config.with_(**changes), out)


@pytest.mark.parametrize("scope", ["encoder", "encoder+projector"])
def test_a_session_moves_the_lora_and_nothing_else(session: MakeSession, scope: str) -> None:
    made = session(scope=scope)
    before = base_weights(made.vlm)
    events = list(made.run())
    after = base_weights(made.vlm)
    assert before.keys() == after.keys()
    changed = [n for n in before if not torch.equal(before[n], after[n])]
    assert not changed
    lora = load_file(made.out / WEIGHTS)
    moved = {n for n, value in lora.items() if "lora_B" in n and value.any()}
    assert {n for n in lora if "lora_B" in n} == moved
    assert all("vision_tower" in n or "multi_modal_projector" in n for n in lora)
    assert any("vision_tower" in n for n in moved)
    assert any("multi_modal_projector" in n for n in moved) is (scope != "encoder")
    assert all(torch.isfinite(torch.tensor(e.loss)) for e in events)


def test_a_session_tells_every_step(session: MakeSession) -> None:
    made = session()
    events = list(made.run())
    assert [e.step for e in events] == [1, 2, 3, 4, 4]
    assert [e.stage for e in events] == ["disrupt"] * 2 + ["reinforce"] * 2 + ["done"]
    assert [e.score is not None for e in events] == [False, True, False, True, True]
    assert {"forget", "abstraction", "sibling", "retain"} <= set(events[2].rewards)
    assert events[0].kl is None and events[3].kl >= 0
    assert {p.role for p in events[1].probes} == {"forget", "retain"}
    assert events[-1].adapter == made.out and made.out.is_dir()
    assert not made.work.exists()


def test_the_same_request_gives_the_same_bytes(session: MakeSession, trained: Path) -> None:
    made = session()
    list(made.run())
    assert weights_hash(made.out) == weights_hash(trained)


def test_an_adapter_that_is_loaded_meanwhile_changes_nothing(
    session: MakeSession, trained: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visitor opens one as another's session begins: both draw from the process's generator."""
    true, other = vlm.get_peft_model, vlm.load(tiny_folder, device="cpu")

    def meanwhile(*given: object) -> object:
        loading = threading.Thread(target=folder.load, args=(other, trained))
        loading.start()
        loading.join(0.5)
        return true(*given)

    monkeypatch.setattr(vlm, "get_peft_model", meanwhile)
    made = session()
    list(made.run())
    assert weights_hash(made.out) == weights_hash(trained)


def test_another_seed_gives_another_adapter(session: MakeSession, trained: Path) -> None:
    made = session(seed=1)
    list(made.run())
    assert weights_hash(made.out) != weights_hash(trained)


@pytest.mark.parametrize("preset", hfru.PRESETS)
def test_every_preset_runs(session: MakeSession, small_data: UnlearnData, preset: str) -> None:
    """The presets' own reward, target and reference on a session made small."""
    config = hfru.preset(preset, small_data.concepts)
    kept = (
        "topics",
        "stage1_target",
        "feature_hold",
        "reference",
        "sibling_cost",
        "scope",
        "attribute_bonus",
        "lr_decay",
        "select_best",
        "preset",
        "match",
        "suppress",
        "margin",
    )
    values = {**vars(config), **vars(config.hfru), **vars(config.deep)}
    made = session(**{k: values[k] for k in kept})
    events = list(made.run())
    assert events[-1].stage == "done" and checked_record(made.out).config["preset"] == preset


def test_no_steps_in_one_stage_leaves_it_out(session: MakeSession) -> None:
    assert {e.stage for e in session(grpo_steps=0).run()} == {"disrupt", "done"}


def planted_scores(made: UnlearnSession, scores: list[float]) -> None:
    left = iter(scores)
    made.begin()
    made.checks.score = lambda now: next(left)


def snapshot(made: UnlearnSession) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in made.weights.items()}


def saved(made: UnlearnSession) -> dict[str, torch.Tensor]:
    """The adapter's weights under the names that they have in the model."""
    return {
        n.replace(".weight", ".default.weight"): v for n, v in load_file(made.out / WEIGHTS).items()
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[n], b[n]) for n in a)


def test_stop_keeps_the_best_step_and_not_the_last(session: MakeSession) -> None:
    made = session(check_every=1)
    planted_scores(made, [0.5, 0.9, 0.1, 0.1])
    states = []
    for event in made.run():
        if event.stage != "done":
            states.append(snapshot(made))
        if event.step == 3:
            made.stop()
    assert len(states) == 3 and event.stage == "done" and event.score == 0.9
    assert same(saved(made), states[1]) and not same(saved(made), states[2])
    assert checked_record(made.out).session.best_step == 2


def test_stop_before_any_check_keeps_what_there_is(session: MakeSession) -> None:
    made, event = session(check_every=4), None
    for event in made.run():
        made.stop()
        if event.stage != "done":
            state = snapshot(made)
    assert event.stage == "done" and event.step == 1 and event.score is None
    assert same(saved(made), state)


# Where the result goes.


def test_an_existing_output_is_refused_and_untouched(session: MakeSession, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="mine' exists and is not overwritten"):
        next(session(out).run())
    assert [p.name for p in out.iterdir()] == ["precious.txt"]
    assert (out / "precious.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_an_output_that_cannot_be_written_is_refused(session: MakeSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file" / "out", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="cannot be written"):
            next(session(out).run())


def test_a_running_session_is_not_started_twice(
    session: MakeSession, tiny_folder: Path, small_data: UnlearnData, quick: UnlearnConfig
) -> None:
    first = session()
    running = first.run()
    next(running)
    second = fresh(tiny_folder, small_data, quick, first.out)
    with pytest.raises(UserError, match=f"already running .process {os.getpid()}"):
        next(second.run())
    assert [e.step for e in running] == [2, 3, 4, 4]
    assert first.out.is_dir()


def test_the_lock_of_a_dead_process_is_taken_over(session: MakeSession) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    made = session(train_steps=1, grpo_steps=0)
    made.work.mkdir()
    (made.work / "lock").write_text(str(gone.pid))
    assert list(made.run())[-1].stage == "done"


def test_an_unreadable_lock_is_taken_over(session: MakeSession) -> None:
    made = session(train_steps=1, grpo_steps=0)
    made.work.mkdir()
    (made.work / "lock").write_text("")
    assert list(made.run())[-1].stage == "done"


# Going on.


def interrupted(made: UnlearnSession, after: int) -> None:
    """Run some steps, then drop the session as a crash would."""
    steps = made.run()
    for event in itertools.islice(steps, after):
        assert event.stage != "done"
    steps.close()


@pytest.mark.parametrize("after", [2, 3])
def test_an_interrupted_session_ends_as_if_it_had_not_been(
    session: MakeSession,
    tiny_folder: Path,
    small_data: UnlearnData,
    quick: UnlearnConfig,
    trained: Path,
    after: int,
) -> None:
    made = session()
    interrupted(made, after)
    assert not made.out.exists() and (made.work / "session.json").is_file()
    again = fresh(tiny_folder, small_data, quick, made.out)
    assert [e.step for e in again.run()] == [3, 4, 4]
    assert weights_hash(again.out) == weights_hash(trained)
    assert [h.step for h in checked_record(again.out).history] == [1, 2, 3, 4]


def test_another_request_does_not_go_on_from_it(
    session: MakeSession, tiny_folder: Path, small_data: UnlearnData, quick: UnlearnConfig
) -> None:
    made = session()
    interrupted(made, 2)
    before = sorted(p.name for p in made.work.iterdir())
    other = fresh(tiny_folder, small_data, quick, made.out, seed=7)
    with pytest.raises(UserError, match="unfinished session of another request"):
        next(other.run())
    assert sorted(p.name for p in made.work.iterdir()) == before


def test_a_loss_that_is_no_number_stops_with_a_reason(
    session: MakeSession,
    tiny_folder: Path,
    small_data: UnlearnData,
    quick: UnlearnConfig,
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, true = session(), hfru.reinforce

    def poisoned(*args: object) -> tuple:
        loss, parts, kl = true(*args)
        return loss * float("nan"), parts, kl

    monkeypatch.setattr(hfru, "reinforce", poisoned)
    with pytest.raises(UserError, match=r"loss became nan .* at step 3.*learning rate is too"):
        list(made.run())
    assert not made.out.exists()
    assert all(torch.isfinite(p).all() for p in made.weights.values())
    monkeypatch.setattr(hfru, "reinforce", true)
    again = fresh(tiny_folder, small_data, quick, made.out)
    assert [e.step for e in again.run()] == [3, 4, 4]
    assert weights_hash(again.out) == weights_hash(trained)


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk_as_safetensors_says_it() -> SafetensorError:
    return SafetensorError("Error while serializing: I/O error: No space left on device")


@pytest.mark.parametrize("error", [full_disk, full_disk_as_safetensors_says_it])
def test_a_full_disk_keeps_the_earlier_checkpoint(
    session: MakeSession,
    tiny_folder: Path,
    small_data: UnlearnData,
    quick: UnlearnConfig,
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], Exception],
) -> None:
    made, true, calls = session(), checkpoint.save_file, []

    def failing(tensors: dict, path: Path) -> None:
        calls.append(path)
        if len(calls) > 1:
            path.write_bytes(b"half")
            raise error()
        true(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", failing)
    with pytest.raises(UserError, match="checkpoint-4.* not be written: .*No space left.*Free"):
        list(made.run())
    left = sorted(p.name for p in made.work.iterdir())
    assert left == ["checkpoint-2.safetensors", "session.json"]
    monkeypatch.setattr(checkpoint, "save_file", true)
    again = fresh(tiny_folder, small_data, quick, made.out)
    assert [e.step for e in again.run()] == [3, 4, 4]
    assert weights_hash(again.out) == weights_hash(trained)


@pytest.mark.parametrize("error", [full_disk, full_disk_as_safetensors_says_it])
def test_an_adapter_that_cannot_be_written_leaves_the_checkpoint(
    session: MakeSession, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    made = session()

    def failing(*args: object) -> None:
        raise error()

    monkeypatch.setattr(module, "save", failing)
    with pytest.raises(UserError, match="adapter could not be written: .*No space left.*kept"):
        list(made.run())
    assert not made.out.exists()
    assert (made.work / "checkpoint-4.safetensors").is_file()


# The command with a small request, in a process that can be killed.
COMMAND = """
import sys
from hfru_core import __main__ as command
from hfru_core import pipeline
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.methods import hfru
few = Amount(4, 6, 2, 2)
pipeline.build = lambda *given, **named: build(*given, **{**named, "amount": few})
hfru.PRESETS["default"] = hfru.PRESETS["default"].with_(
    train_steps=3, batch=4, retain_batch=4, grpo_steps=5, grpo_prompts=4, group=2,
    max_new_tokens=6, check_every=2,
    checkpoint_every=2, lora_rank=2)
sys.exit(command.main(sys.argv[1:]))
"""


def command(model: Path, out: Path) -> subprocess.Popen:
    arguments = ["unlearn", "--forget", "dog", "--model", model, "--device", "cpu", "--out", out]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_command_goes_on_when_it_is_repeated(tiny_folder: Path, tmp_path: Path) -> None:
    whole = command(tiny_folder, tmp_path / "whole")
    victim = command(tiny_folder, tmp_path / "killed")
    work = tmp_path / "killed.part"
    deadline = time.monotonic() + 200
    while not (work / "session.json").exists():
        assert victim.poll() is None and time.monotonic() < deadline, victim.communicate()[1]
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert not (tmp_path / "killed").exists()
    assert (work / "lock").is_file(), "killed before it could tidy up"
    again = command(tiny_folder, tmp_path / "killed")
    _, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    _, said = whole.communicate(timeout=200)
    assert whole.returncode == 0, said
    assert not work.exists()
    assert weights_hash(tmp_path / "killed") == weights_hash(tmp_path / "whole")


def test_a_step_event_is_of_plain_values(session: MakeSession) -> None:
    event: StepEvent = next(session().run())
    assert isinstance(event.loss, float) and isinstance(event.seconds, float)
    assert all(isinstance(v, float) for v in event.rewards.values())


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [cut_short, Path.unlink, lambda p: p.write_bytes(b"")])
@pytest.mark.parametrize("name", ["checkpoint-2.safetensors", "session.json"])
def test_a_damaged_checkpoint_is_told_in_one_line(
    session: MakeSession,
    tiny_folder: Path,
    small_data: UnlearnData,
    quick: UnlearnConfig,
    name: str,
    damage: Callable[[Path], object],
) -> None:
    made = session()
    interrupted(made, 2)
    if name == "session.json" and damage is Path.unlink:
        pytest.skip("a session without this file has no checkpoint: it begins anew")
    damage(made.work / name)
    with pytest.raises(UserError, match=r"damaged \(\w+\): it cannot go on.*start anew.$"):
        next(fresh(tiny_folder, small_data, quick, made.out).run())

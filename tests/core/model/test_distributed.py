"""Two processes at one session: the gradients of one, one writer, and an end that helps."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hfru_core.concepts import shipped
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.methods import hfru
from hfru_core.methods.mmunlearner import MMUnlearner
from hfru_core.methods.pubg import PUBG
from hfru_core.methods.salun import SalUn
from hfru_core.model import vlm
from hfru_core.model.distributed import ProcessGroup
from hfru_core.model.weights import snapshot
from hfru_core.types import UnlearnData
from tests.conftest import ROOT, SMALL

CONFIG = UnlearnConfig().with_(
    batch=4,
    retain_batch=4,
    grpo_prompts=4,
    group=3,
    max_new_tokens=6,
    lora_rank=2,
    sibling_cost=1.0,
    attribute_bonus=0.5,
    device="cpu",
    kl=0.5,
)


def gradients(model: vlm.VLM) -> dict[str, torch.Tensor]:
    """What one step of each stage sends to the adapter, and what the step says of itself."""
    torch.manual_seed(0)
    request = build((shipped()["dog"],), amount=SMALL)
    model.adapt(2, "encoder")
    original, found = snapshot(model.trainable()), {}
    for p in model.trainable().values():
        p.data.normal_(0, 0.05, generator=torch.Generator().manual_seed(p.numel()))
    first = hfru.disrupt(model, request, CONFIG, random.Random(1), original)
    second, parts, kl = hfru.reinforce(model, request, CONFIG, random.Random(2), original)
    for stage, loss in (("disrupt", first), ("reinforce", second)):
        for p in model.trainable().values():
            p.grad = None
        loss.backward()
        model.processes.sum_gradients(model.trainable().values())
        found |= {f"{stage}/{n}": p.grad.clone() for n, p in model.trainable().items()}
        found[f"loss/{stage}"] = model.processes.total(loss)
    told = {f"part/{k}": torch.tensor(v) for k, v in {**parts, "kl": kl}.items()}
    return {**found, **told, "guide": guide(model, request)}


def guide(model: vlm.VLM, request: UnlearnData) -> torch.Tensor:
    """What PUBG's teacher says of a batch, as bytes; each process asks about its own pictures."""
    method = PUBG(model, request, CONFIG.with_(max_new_tokens=4))
    _, texts = method.guided(method.forget(random.Random(3)))
    return torch.tensor(list("|".join(model.processes.gathered(texts)).encode()), dtype=torch.float)


def masks(model: vlm.VLM) -> list[bool]:
    """Which weights MMUnlearner and SalUn move, one after the other."""
    request = build((shipped()["dog"],), amount=SMALL)
    found = []
    for kind in (MMUnlearner, SalUn):
        method = kind(model, request, CONFIG)
        method.prepare()
        found += [m.flatten() for _, m in sorted(method.mask.items())]
    return torch.cat(found).tolist()


STEP = """
import sys
from safetensors.torch import save_file
from tests.core.model.test_distributed import gradients, masks
from hfru_core.model import vlm
model = vlm.load(sys.argv[1], device="cpu")
assert model.processes.size == 2
found = gradients(model)
first, second = model.processes.gathered([masks(model)])
assert first == second and any(first) and not all(first), "each process has its own mask"
if model.processes.writes:
    save_file(found, sys.argv[2])
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def two(*command: str, **settings: str) -> list[subprocess.Popen]:
    """The same command as two processes of one group, as `accelerate launch --cpu` starts them."""
    here = {
        **os.environ,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env={**here, "RANK": str(r), "LOCAL_RANK": str(r)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for r in range(2)
    ]


def test_shares_are_even_and_whole() -> None:
    for count in range(9):
        for size in (1, 2, 3):
            parts = [ProcessGroup(r, size).part(list(range(count))) for r in range(size)]
            assert [x for part in parts for x in part] == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="ddp"),
        pytest.param({"ACCELERATE_USE_FSDP": "true"}, id="fsdp", marks=pytest.mark.slow),
    ],
)
def test_two_processes_with_half_the_prompts_have_the_gradients_of_one(
    settings: dict[str, str], tiny_folder: Path, tmp_path: Path
) -> None:
    pair = two("-c", STEP, str(tiny_folder), str(tmp_path / "two"), **settings)
    alone = gradients(vlm.load(tiny_folder, device="cpu"))
    for process in pair:
        _, told = process.communicate(timeout=240)
        assert process.returncode == 0, told
    shared = load_file(tmp_path / "two")
    assert set(shared) == set(alone)
    for name, value in alone.items():
        assert (shared[name] - value).abs().max() <= 1e-5 * max(1, value.abs().max()), name
    assert any(v.any() for n, v in alone.items() if n.startswith("reinforce/"))


def unlearn(model: Path, out: Path, steps: int) -> list[str]:
    return [
        "-m",
        "hfru_core",
        "unlearn",
        "--forget",
        "dog",
        "--model",
        str(model),
        "--device",
        "cpu",
        "--steps",
        str(steps),
        "--out",
        str(out),
        "--json",
    ]


@pytest.mark.slow
@pytest.mark.very_slow
def test_a_killed_process_ends_the_run_and_the_checkpoint_goes_on(
    tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapter"
    first, second = two(*unlearn(tiny_folder, out, 30))
    checkpoint = tmp_path / "adapter.part" / "session.json"
    until = time.monotonic() + 240
    while not checkpoint.is_file():
        assert time.monotonic() < until and first.poll() is None
        time.sleep(0.2)
    second.send_signal(signal.SIGKILL)
    _, told = first.communicate(timeout=120)
    assert first.returncode == 2
    assert "A process of the group has ended" in told and "repeat the command" in told
    second.communicate()
    step = json.loads(checkpoint.read_text())["step"]
    assert step >= 5 and not out.exists()
    again = subprocess.run(
        [sys.executable, *unlearn(tiny_folder, out, 30)], capture_output=True, text=True, cwd=ROOT
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["steps"] == 30 and out.is_dir()


@pytest.mark.slow
@pytest.mark.very_slow
def test_two_processes_audit_as_one(trained: Path, tiny_folder: Path, tmp_path: Path) -> None:
    def command(out: str) -> list[str]:
        return [
            "-m",
            "audit",
            str(trained),
            "--model",
            str(tiny_folder),
            "--pictures",
            "4",
            "--device",
            "cpu",
            "--out",
            str(tmp_path / out),
            "--json",
        ]

    pair = two(*command("two"))
    told = [p.communicate(timeout=600)[0] for p in pair]
    alone = subprocess.run([sys.executable, *command("one")], capture_output=True, cwd=ROOT)
    assert [p.returncode for p in pair] == [alone.returncode] * 2 != [2] * 2  # 2: could not run
    assert told[0] and not told[1]  # one voice
    both, single = (
        json.loads((tmp_path / name / "report.json").read_text())["findings"]
        for name in ("two", "one")
    )
    assert [f["name"] for f in both] == [f["name"] for f in single]
    answered = [(a, b) for a, b in zip(both, single) if a["audit"] == "behavior"]
    assert answered and all(a["unlearned"] == b["unlearned"] for a, b in answered)

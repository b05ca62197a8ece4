"""What the tests share: no network, a tiny random model, a small request, and `--slow`."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Each worker of pytest-xdist, and the commands it starts, keep to their share of the cores, or to
# less where the caller says so.
os.environ["OMP_NUM_THREADS"] = str(
    min(
        max(1, os.cpu_count() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))),
        int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())),
    )
)

import importlib.machinery
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hfru_core.concepts import shipped
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.model import vlm
from hfru_core.pretrain import train
from hfru_core.pretrain.architecture import build_model, build_processor, build_tokenizer
from hfru_core.protocol.questions import corpus
from hfru_core.session import UnlearnSession
from hfru_core.types import UnlearnData

ROOT = Path(__file__).parent.parent
SMALL = Amount(forget_train=4, retain_train=6, forget_eval=3, retain_eval=4)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def random_model(folder: Path, seed: int) -> Path:
    """A checkpoint of the bundled architecture with random weights.

    The decoder's weights are made large: then its words depend on the picture and on each other,
    as they do in a trained model, and a small change of the tower changes the answers.
    """
    torch.manual_seed(seed)
    tokenizer = build_tokenizer(corpus())
    model = build_model(tokenizer)
    with torch.no_grad():
        for name, p in model.model.language_model.named_parameters():
            p.mul_(6.0 if "proj" in name else 1.0)
    train.save(model, build_processor(tokenizer), train.Recipe(seed=seed), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "tiny", seed=0)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another base of the same architecture."""
    return random_model(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture
def tiny(tiny_folder: Path) -> vlm.VLM:
    """The random model, loaded afresh: a test may train it."""
    return vlm.load(tiny_folder, device="cpu")


@pytest.fixture(scope="session")
def small_data() -> UnlearnData:
    return build((shipped()["dog"],), amount=SMALL)


@pytest.fixture(scope="session")
def quick() -> UnlearnConfig:
    """Two steps of each stage, a few pictures, short answers."""
    return UnlearnConfig().with_(
        train_steps=2,
        batch=4,
        retain_batch=4,
        grpo_steps=2,
        grpo_prompts=4,
        group=2,
        max_new_tokens=6,
        check_every=2,
        checkpoint_every=2,
        lora_rank=2,
        sibling_cost=1.0,
        attribute_bonus=0.5,
        device="cpu",
    )


@pytest.fixture(scope="session")
def trained(
    tiny_folder: Path,
    small_data: UnlearnData,
    quick: UnlearnConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The adapter folder that a quick session leaves; not to be written to."""
    out = tmp_path_factory.mktemp("adapters") / "no-dogs"
    list(UnlearnSession(vlm.load(tiny_folder, device="cpu"), small_data, quick, out).run())
    return out


@pytest.fixture
def session(
    tiny: vlm.VLM, small_data: UnlearnData, quick: UnlearnConfig, tmp_path: Path
) -> Callable[..., UnlearnSession]:
    """Makes a quick session; changes of its config are given by name."""

    def make(out: Path = tmp_path / "out", **changes: object) -> UnlearnSession:
        return UnlearnSession(tiny, small_data, quick.with_(**changes), out)

    return make


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list:
    """A stand-in for the package `spaces`: arguments and results cross by pickle."""
    calls: list = []

    def gpu(duration):
        def wrap(work):
            def call(*args):
                calls.append(duration(*args))
                for result in work(*pickle.loads(pickle.dumps(args))):
                    yield pickle.loads(pickle.dumps(result))

            return call

        return wrap

    module = types.ModuleType("spaces")
    module.GPU, module.__spec__ = gpu, importlib.machinery.ModuleSpec("spaces", None)
    monkeypatch.setitem(sys.modules, "spaces", module)
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    return calls

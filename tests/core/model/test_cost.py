"""What is told of a model before it is loaded, against published sizes and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hfru_core.cli import main as command
from hfru_core.cli.plan import rows
from hfru_core.data.source import load_image
from hfru_core.model import cost, vlm
from hfru_core.paths import MODEL
from hfru_core.training import sft
from tests.conftest import ROOT


def held(model: vlm.VLM, count: int) -> int:
    """Bytes that autograd keeps for a step of so many pictures, weights left out."""
    parts = (model.model.parameters(), model.model.buffers())
    own = {t.untyped_storage().data_ptr() for part in parts for t in part}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    images = [load_image(f"world:0/x/dog/{i}") for i in range(count)]
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        sft.answer_loss(model, images, ["What is it?"] * count, ["A dog."] * count)
    return sum(kept.values())


def test_what_a_step_keeps_is_told_within_15_percent() -> None:
    found = cost.of(MODEL)
    model = vlm.load(device="cpu", dtype=torch.bfloat16)
    assert found.values == sum(p.numel() for p in model.core.parameters())
    inputs = model.inputs([load_image("world:0/x/dog/0")], ["What is it?"])
    assert found.tokens == int((inputs["input_ids"] == model.core.config.image_token_id).sum())
    model.adapt(16)
    assert found.adapter == sum(p.numel() for p in model.trainable().values())
    answer = 4
    words = inputs["input_ids"].shape[1] - found.tokens - cost.WORDS
    told = found.step(8, 8, answer + words, answer, False)
    assert told is not None and abs(told / held(model, 8) - 1) < 0.15


@pytest.mark.slow
def test_the_table_of_shapes_has_the_published_sizes() -> None:
    table = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name, known in cost.shapes().items():
        found = cost.of(name)
        assert abs(found.values / 1e9 / known["published"] - 1) < 0.01, name
        assert row(found) in table, row(found)


def row(found: cost.Cost) -> str:
    """A model's line of the table in docs/models.md."""
    sizes = {(r["decoder"], r["checkpointing"]): r for r in rows(found)}
    plain, small = sizes["bf16", False], sizes["nf4", True]
    weights = " / ".join(f"{sizes[k, False]['weights_gb']:.1f}" for k in cost.BYTES)
    picture = f"{plain['picture_gb']:.2f} / {small['picture_gb']:.2f}"
    session = f"{plain['session_gb']:.0f} / {small['session_gb']:.0f}"
    return (
        f"| {found.name} | {found.values / 1e9:.2f} | {found.tokens} | {weights} | {picture} | "
        f"{session} |"
    )


def test_a_name_from_the_table_needs_no_network(capsys: pytest.CaptureFixture) -> None:
    assert command.main(["plan", "HuggingFaceTB/SmolVLM-256M-Instruct"]) == 0
    said = capsys.readouterr().out
    assert "256.5 M values" in said and "1088 image tokens" in said
    assert all(kind in said for kind in cost.BYTES)


def test_what_cannot_be_told_is_said(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    assert command.main(["plan", "nobody/nothing"]) == 2
    assert "Without a network these are known: HuggingFaceTB/" in capsys.readouterr().err
    assert command.main(["plan", str(tmp_path)]) == 2
    assert "it has no config.json" in capsys.readouterr().err
    assert command.main(["plan", "photo"]) == 0
    assert "not known" in capsys.readouterr().out

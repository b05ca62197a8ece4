"""Adapters made of adapters: scaled, stacked and merged, exactly and with what is known of them."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hfru_core import __version__
from hfru_core.adapters import combine
from hfru_core.adapters import folder as adapter_folder
from hfru_core.adapters.folder import at_strength, base_of, load, read, save
from hfru_core.adapters.record import AdapterRecord, TrainingData, record_from
from hfru_core.adapters.validate import INFO, WEIGHTS, checked_record, file_hash
from hfru_core.concepts import shipped
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.data.source import load_image
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.session import UnlearnSession
from hfru_core.types import Concept, UserError
from tests.conftest import SMALL
from tests.core.adapters.test_folder import inputs_of, logits


def made(tiny_folder: Path, out: Path, seed: int, rank: int, projector: bool, name: str) -> Path:
    """An adapter with random weights, to forget something of that name."""
    model = vlm.load(tiny_folder, device="cpu")
    model.adapt(rank, "encoder+projector" if projector else "encoder")
    generator = torch.Generator().manual_seed(seed)
    for p in model.trainable().values():
        p.data.copy_(0.2 * torch.randn(p.shape, generator=generator))
    concept = Concept(name, name, "object", (name,), ("thing",), (), "a test")
    save(model, out, record_of(model, concept))
    return out


def record_of(model: VLM, concept: Concept, **settings: object) -> AdapterRecord:
    config = {"preset": "default", "seed": 0, **settings}
    return AdapterRecord(
        base_of(model), (concept,), data=TrainingData("world", "0" * 16), config=config
    )


@pytest.fixture(scope="module")
def pair(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters of different rank; only the second has the projector."""
    folder = tmp_path_factory.mktemp("pair")
    return (
        made(tiny_folder, folder / "no-cats", 1, 2, False, "cat"),
        made(tiny_folder, folder / "no-cars", 2, 3, True, "car"),
    )


def updates(tiny_folder: Path, folder: Path) -> dict[str, torch.Tensor]:
    """What an adapter changes of each weight, by PEFT's own merging."""
    model = vlm.load(tiny_folder, device="cpu")
    base = {n: p.data.clone() for n, p in model.model.named_parameters()}
    merged = load(model, folder).merged().model
    return {n: p.data - base[n] for n, p in merged.named_parameters()}


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name in found:
        torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=1e-6)
    assert any(t.abs().max() > 1e-3 for t in found.values())


def test_a_stack_adds_its_updates_up(
    tiny_folder: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = (updates(tiny_folder, f) for f in pair)
    plain = updates(tiny_folder, combine.stack(pair, tmp_path / "sum"))
    assert_same(plain, {n: one[n] + two[n] for n in one})
    weighed = updates(tiny_folder, combine.stack(pair, tmp_path / "weighed", [0.5, 1.5]))
    assert_same(weighed, {n: 0.5 * one[n] + 1.5 * two[n] for n in one})


@pytest.mark.parametrize("strength", [0.5, 1.5])
def test_a_scaled_adapter_has_so_much_of_the_update(
    tiny_folder: Path, pair: tuple[Path, Path], tmp_path: Path, strength: float
) -> None:
    whole = updates(tiny_folder, pair[1])
    part = updates(tiny_folder, combine.scale(pair[1], strength, tmp_path / "part"))
    assert_same(part, {n: strength * u for n, u in whole.items()})


def test_strength_in_memory_is_strength_on_disk_and_is_undone(
    tiny_folder: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    base = logits(vlm.load(tiny_folder, device="cpu"))
    half = combine.scale(pair[0], 0.5, tmp_path / "half")
    wanted = logits(load(vlm.load(tiny_folder, device="cpu"), half))
    model = load(vlm.load(tiny_folder, device="cpu"), pair[0])
    before = logits(model)
    with at_strength(model, 0.5):
        torch.testing.assert_close(logits(model), wanted, rtol=1e-6, atol=1e-5)
    with at_strength(model, 0.0):
        assert torch.equal(logits(model), base)
    assert torch.equal(logits(model), before) and not torch.equal(before, base)


def test_strength_nought_changes_nothing(
    tiny_folder: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    base = logits(vlm.load(tiny_folder, device="cpu"))
    none = combine.scale(pair[0], 0.0, tmp_path / "none")
    assert torch.equal(logits(load(vlm.load(tiny_folder, device="cpu"), none)), base)


def test_a_stack_says_what_it_was_made_of_and_that_nothing_was_measured(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    half = combine.scale(pair[0], 0.5, tmp_path / "half")
    out = combine.stack([half, pair[1]], tmp_path / "both", [1.0, 0.5])
    record = checked_record(out)
    assert [c.name for c in record.concepts] == ["cat", "car"]
    hashes = [file_hash(f / WEIGHTS) for f in pair]
    info = json.loads((out / INFO).read_text())
    assert info["parts"] == [
        {"weights": hashes[0], "strength": 0.5, "concepts": ["cat"], "scope": None},
        {"weights": hashes[1], "strength": 0.5, "concepts": ["car"], "scope": None},
    ]
    assert "metrics" not in info and "base_metrics" not in info and "config" not in info
    card = (out / "README.md").read_text()
    assert "**not measured**" in card and "0.0%" not in card
    assert f"| cat | 0.5 | `{hashes[0][:16]}` |" in card


def test_a_stack_of_decoders_loads_and_one_that_hides_it_does_not(
    pair: tuple[Path, Path], tiny_folder: Path, tmp_path: Path
) -> None:
    model = vlm.load(tiny_folder, device="cpu")
    model.adapt(2, "decoder")
    cat = checked_record(pair[0]).concepts[0]
    save(model, tmp_path / "words", record_of(model, cat, scope="decoder"))
    out = combine.stack([tmp_path / "words", pair[1]], tmp_path / "both", [1.0, 1.0])
    load(vlm.load(tiny_folder, device="cpu"), out)
    assert any("language_model" in layer for layer in read(out))
    record = json.loads((out / INFO).read_text())
    for scope, message in (
        (["decoder"], "expected a line of text"),
        ("encoder", "holds weights that are no LoRA of a tower"),
    ):
        record["parts"][0]["scope"] = scope
        (out / INFO).write_text(json.dumps(record))
        with pytest.raises(UserError, match=message):
            checked_record(out)


def test_the_same_stack_is_the_same_bytes(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_folder, "now", lambda: "2026-01-01T00:00:00+00:00")
    one, two = (combine.stack(pair, tmp_path / n / "both") for n in ("first", "second"))
    for name in ("adapter_config.json", WEIGHTS, INFO, "README.md"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_merged_model_answers_as_the_adapter_and_has_nothing_to_take_off(
    tiny_folder: Path, trained: Path, tmp_path: Path
) -> None:
    unlearned = load(vlm.load(tiny_folder, device="cpu"), trained)
    out = combine.merge(vlm.load(tiny_folder, device="cpu"), trained, tmp_path / "release")
    merged = vlm.load(out, device="cpu")
    torch.testing.assert_close(logits(merged), logits(unlearned), rtol=1e-5, atol=1e-4)
    picture = load_image("world:9/test/dog/1")
    assert merged.answer([picture], ["What is it?"]) == unlearned.answer([picture], ["What is it?"])
    assert not list(out.glob("adapter_*")) and not list(out.glob("*.bin"))
    assert not any("lora" in n for n in load_file(out / "model.safetensors"))
    assert inputs_of(merged).keys() == inputs_of(unlearned).keys()


def test_a_merged_model_has_its_provenance_and_says_why(
    tiny_folder: Path, trained: Path, tmp_path: Path
) -> None:
    out = combine.merge(vlm.load(tiny_folder, device="cpu"), trained, tmp_path / "release")
    record = json.loads((out / INFO).read_text())
    merged = record.pop("merged")
    assert record_from(record) == checked_record(trained)
    assert merged["versions"]["hfru_core"] == __version__
    assert datetime.fromisoformat(merged["created"]).utcoffset() == timedelta()
    assert merged["hashes"] == {"model.safetensors": file_hash(out / "model.safetensors")}
    card = (out / "README.md").read_text()
    assert "an adapter can be switched off" in card and "base_model_relation: finetune" in card
    assert not any(str(tiny_folder.parent) in p.read_text() for p in out.glob("*.json"))


def test_merging_into_another_base_leaves_nothing(
    other_folder: Path, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="was made for tiny"):
        combine.merge(vlm.load(other_folder, device="cpu"), trained, tmp_path / "release")
    assert not list(tmp_path.iterdir())


def of_another_base(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    info = json.loads((to / INFO).read_text())
    info["base"] = {"name": "other", "revision": None, "fingerprint": "f" * 16}
    (to / INFO).write_text(json.dumps(info))
    return to


def test_what_cannot_be_combined_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for strength in (-0.1, 1.6, float("nan")):
        with pytest.raises(UserError, match="lies between 0 and 1.5, got"):
            combine.scale(pair[0], strength, out)
    with pytest.raises(UserError, match="at least two adapters, got 1"):
        combine.stack(pair[:1], out)
    with pytest.raises(UserError, match="Got 1 strengths for 2 adapters"):
        combine.stack(pair, out, [1.0])
    with pytest.raises(UserError, match="The same adapter is there twice"):
        combine.stack([pair[0], pair[0]], out)
    foreign = of_another_base(pair[1], tmp_path / "foreign")
    with pytest.raises(UserError, match=r"'foreign' was made for other \(f+\).*of one base model"):
        combine.stack([pair[0], foreign], out)
    out.mkdir()
    with pytest.raises(UserError, match="exists and is not overwritten"):
        combine.scale(pair[0], 1.0, out)


def test_plain_peft_takes_a_stack(
    tiny: VLM, tiny_folder: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    from peft import PeftModel

    out = combine.stack(pair, tmp_path / "both")
    ours = logits(load(vlm.load(tiny_folder, device="cpu"), out))
    tiny.model = PeftModel.from_pretrained(tiny.model, out).eval()
    torch.testing.assert_close(logits(tiny), ours, rtol=1e-6, atol=1e-5)


def test_a_following_request_goes_on_top_of_the_one_before(
    trained: Path, tiny_folder: Path, quick: UnlearnConfig, tmp_path: Path
) -> None:
    """One adapter for the original base, whose update is that of both sessions together."""
    base = vlm.load(tiny_folder, device="cpu")
    model = combine.base_of_next(vlm.load(tiny_folder, device="cpu"), trained)
    assert model.fingerprint() == base.fingerprint()
    names = (shipped()["dog"], shipped()["cat"])
    session = UnlearnSession(model, build(names, amount=SMALL), quick, tmp_path / "next")
    list(session.run())
    expected = session.vlm.merged().core.state_dict()
    both = combine.put_on_top(trained, tmp_path / "next", tmp_path / "both")
    found = load(base, both).merged().core.state_dict()
    assert not (tmp_path / "next").exists()
    assert all(torch.allclose(found[k], v, atol=1e-6) for k, v in expected.items())
    assert {c.id for c in checked_record(both).concepts} == {"dog", "cat"}

"""Any two models are audited: whole checkpoints and adapters of other programs, one in memory."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from audit import __main__ as command
from audit import cases
from audit.base import Case
from audit.checks.weights import weights
from audit.report.changes import what_changed
from hfru_core.adapters.combine import merge
from hfru_core.data.source import load_image
from hfru_core.model import vlm
from hfru_core.types import UserError

IMAGE = "world:0/x/dog/0"


@pytest.fixture(scope="module")
def merged(tiny_folder: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small adapter merged into its model, as `hfru adapter merge` does."""
    out = tmp_path_factory.mktemp("merged") / "no-dogs-merged"
    return merge(vlm.load(tiny_folder, device="cpu"), trained, out)


@pytest.fixture
def copied(merged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(merged, tmp_path / "copy"))


def prepare(original: Path, unlearned: Path, *more: object) -> Case:
    given = ["--original", original, "--unlearned", unlearned, "--pictures", 2, "--out", "x", *more]
    return cases.prepare(command.parser().parse_args([str(g) for g in given]))[0]


def seen(model: vlm.VLM) -> torch.Tensor:
    return model.vision_features([load_image(IMAGE)])


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def in_shards(folder: Path) -> list[Path]:
    """The same weights in two files and an index."""
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(whole)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({n: whole[n] for n in part}, folder / file, {"format": "pt"})
    placed = {n: file for file, part in halves.items() for n in part}
    index = {"metadata": {}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return [folder / file for file in halves]


def test_a_merged_model_is_audited_and_shares_the_memory(tiny_folder: Path, copied: Path) -> None:
    in_shards(copied)
    edit_config(copied, dtype="float16", use_cache=False, transformers_version="4.0")
    case = prepare(tiny_folder, copied)
    assert [c.id for c in case.data.concepts] == ["dog"]  # by the record beside the weights
    assert case.base.core is case.unlearned.core
    alone = {
        n: vlm.load(f, device="cpu") for n, f in (("base", tiny_folder), ("unlearned", copied))
    }
    for name in ("base", "unlearned", "base"):
        with case.using(name) as model:
            assert torch.equal(seen(model), seen(alone[name])), name
            assert model.fingerprint() == alone[name].fingerprint()
    assert not torch.equal(seen(alone["base"]), seen(alone["unlearned"]))
    with case.using("base"), pytest.raises(RuntimeError, match="while base was in use"):
        with case.using("unlearned"):
            pass
    (told,) = what_changed([*weights(case)])
    assert re.match(
        r"Changed: the tower \(\d+ of \d+ .* Bit by bit the original's: projector", told
    )


def test_who_changed_the_decoder_alone_is_told(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "decoder"))
    values = load_file(folder / "model.safetensors")
    name = next(n for n in values if "language_model" in n and "mlp" in n)
    save_file(values | {name: values[name] + 0.1}, folder / "model.safetensors", {"format": "pt"})
    (folder / "pretraining.json").unlink()
    case = prepare(tiny_folder, folder, "--forget", "dog", "--retrained", folder)
    assert case.oracle and case.oracle.core is case.base.core
    told = " ".join(what_changed([*weights(case)]))
    assert "Changed: the decoder (1 of" in told and "no unlearning of vision" in told
    assert what_changed([*weights(prepare(tiny_folder, tiny_folder, "--forget", "dog"))]) == [
        "No weight differs from the original's: this is the original."
    ]


def test_an_adapter_of_another_program_is_audited(tiny_folder: Path, tmp_path: Path) -> None:
    model = get_peft_model(
        vlm.load(tiny_folder, device="cpu").model,
        LoraConfig(target_modules=["gate_proj"], lora_dropout=0.05, task_type="CAUSAL_LM"),
    )
    for name, p in model.named_parameters():
        p.data += 0.1 * ("lora_B" in name)
    model.peft_config["default"].base_model_name_or_path = "org/other"
    model.save_pretrained(tmp_path / "lora")
    case = prepare(tiny_folder, tmp_path / "lora", "--forget", "dog")
    assert "org/other as its base and was put on tiny" in " ".join(command.gaps(case, ()))
    told = " ".join(what_changed([*weights(case)]))
    assert "Changed: the decoder" in told and "no unlearning of vision" in told
    with pytest.raises(UserError, match="name it"):
        prepare(tiny_folder, tmp_path / "lora")


def lose_a_shard(folder: Path) -> None:
    in_shards(folder)[1].unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def other_words(folder: Path) -> None:
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    words = values["model"]["vocab"]
    one, other = list(words)[-2:]
    words[one], words[other] = words[other], words[one]
    path.write_text(json.dumps(values))


def no_weight(folder: Path) -> None:
    path = folder / "model.safetensors"
    values = load_file(path)
    del values[sorted(values)[0]]
    save_file(values, path, {"format": "pt"})


MISTAKES = {
    "shard": (lose_a_shard, "b.safetensors.* is missing"),
    "pickle": (pickled, "no model.safetensors.*pickle"),
    "words": (other_words, "no version of .*expected the original's tokens"),
    "weight": (no_weight, "has no values for 2 of .*lm_head.weight.*Download it again"),
    "setting": (
        lambda f: edit_config(f, vision_feature_layer=-2),
        "expected vision_feature_layer -1, got -2.*--original",
    ),
    "type": (lambda f: edit_config(f, model_type="llava_next"), "type 'llava', got 'llava_next'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_models_that_are_no_pair_are_refused(
    mistake: str,
    tiny_folder: Path,
    copied: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    spoil, message = MISTAKES[mistake]
    spoil(copied)
    before = sorted(p.name for p in tmp_path.iterdir())
    given = ["--original", tiny_folder, "--unlearned", copied, "--out", tmp_path / "out"]
    assert command.main([str(g) for g in (*given, "--pictures", 2)]) == 2
    shown = capsys.readouterr()
    assert re.search(message, shown.err), shown.err
    assert shown.err.count("\n") == 1 and not shown.out
    assert sorted(p.name for p in tmp_path.iterdir()) == before

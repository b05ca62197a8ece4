"""The adapter on disk: a switch that plain PEFT can throw, and nothing else gets in."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file, save_file

from hfru_core.adapters.folder import load
from hfru_core.adapters.record import BaseModel
from hfru_core.adapters.validate import HASHED, INFO, WEIGHTS, checked_record, file_hash
from hfru_core.data.source import load_image
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.types import UserError
from tests.conftest import ROOT

QUESTION = "What do you see?"

# Loads the folder as anybody would, with no line of ours.
PLAIN_PEFT = """
import sys
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

base, folder, inputs, out = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32).eval()
model = PeftModel.from_pretrained(model, folder).eval()
with torch.no_grad():
    logits = model(**load_file(inputs)).logits
assert not any(name.startswith("hfru_core") for name in sys.modules)
save_file({"logits": logits.contiguous()}, out)
"""


def inputs_of(model: VLM) -> dict[str, torch.Tensor]:
    images: list[Image.Image] = [load_image(f"world:9/test/dog/{i}") for i in range(3)]
    return model.inputs(images, [QUESTION] * 3)


@torch.no_grad()
def logits(model: VLM) -> torch.Tensor:
    return model.model(**inputs_of(model)).logits


def moved(model: VLM, size: float = 0.2) -> VLM:
    """The model with a LoRA that does something."""
    generator = torch.Generator().manual_seed(0)
    model.adapt(2, "encoder")
    for name, p in model.trainable().items():
        if "lora_B" in name:
            p.data.copy_(size * torch.randn(p.shape, generator=generator))
    return model


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def rehashed(folder: Path) -> Path:
    """The folder with hashes that fit what lies in it: only the contents can be refused now."""
    info = json.loads((folder / INFO).read_text())
    info["hashes"] = {f: file_hash(folder / f) for f in HASHED}
    (folder / INFO).write_text(json.dumps(info))
    return folder


def test_a_fresh_lora_changes_nothing(tiny: VLM) -> None:
    before = logits(tiny)
    tiny.adapt(4, "encoder+projector")
    assert torch.equal(logits(tiny), before)


def test_only_the_lora_of_the_scope_is_trainable(tiny_folder: Path) -> None:
    parts = ("vision_tower", "multi_modal_projector", "language_model")
    moved = {
        "encoder": (True, False, False),
        "encoder+projector": (True, True, False),
        "decoder": (False, False, True),
        "all": (True, True, True),
    }
    for scope, expected in moved.items():
        model = vlm.load(tiny_folder, device="cpu")
        model.adapt(2, scope)
        names = list(model.trainable())
        assert names and all("lora_" in n for n in names)
        assert tuple(any(part in n for n in names) for part in parts) == expected
        assert not any("lm_head" in n or "embed" in n for n in names)


def test_an_updated_lora_changes_the_answer_and_can_be_switched_off(tiny: VLM) -> None:
    before = logits(tiny)
    moved(tiny)
    assert not torch.allclose(logits(tiny), before, atol=1e-2)
    with tiny.model.disable_adapter():
        assert torch.equal(logits(tiny), before)


def test_what_is_merged_computes_what_was_added(tiny: VLM) -> None:
    moved(tiny)
    images = [load_image(f"world:9/test/dog/{i}") for i in range(3)]
    apart = tiny.vision_features(images)
    tiny.model = tiny.model.merge_and_unload()
    assert not isinstance(tiny.model, PeftModel)
    torch.testing.assert_close(tiny.vision_features(images), apart, rtol=1e-5, atol=1e-5)


def test_plain_peft_loads_the_folder_in_a_fresh_process(
    tiny_folder: Path, trained: Path, tmp_path: Path
) -> None:
    base = vlm.load(tiny_folder, device="cpu")
    before = logits(base)
    save_file(inputs_of(base), tmp_path / "inputs.safetensors")
    ours = logits(load(base, trained))
    assert not torch.equal(ours, before)
    subprocess.run(
        [
            sys.executable,
            "-c",
            PLAIN_PEFT,
            tiny_folder,
            trained,
            tmp_path / "inputs.safetensors",
            tmp_path / "out.safetensors",
        ],
        check=True,
        cwd=tmp_path,
        timeout=200,
    )
    theirs = load_file(tmp_path / "out.safetensors")["logits"]
    torch.testing.assert_close(theirs, ours, rtol=1e-6, atol=1e-5)


def test_the_folder_says_what_it_is(tiny: VLM, trained: Path) -> None:
    record = checked_record(trained)
    assert [c.id for c in record.concepts] == ["dog"]
    assert record.base == BaseModel("tiny", None, tiny.fingerprint())
    assert record.config["stage1_steps"] == 2 and len(record.history) == 4
    assert set(record.versions) >= {"python", "torch", "transformers", "peft"}
    assert record.metrics and record.metrics.forget.n
    assert json.loads((trained / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert all(".lora_" in name for name in load_file(trained / WEIGHTS))


def test_nothing_in_the_folder_tells_where_it_was_made(trained: Path, tiny_folder: Path) -> None:
    for name in ("adapter_config.json", INFO, "README.md"):
        assert str(tiny_folder.parent) not in (trained / name).read_text()


def test_the_card_has_the_front_matter_of_the_hub(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    front = card.split("---")[1]
    for line in ("library_name: peft", "base_model: tiny", "base_model_relation: adapter"):
        assert line in front
    assert "unlearned: dog" in card and "| forget |" in card


def test_the_fingerprint_knows_the_base_and_not_the_adapter(tiny: VLM, other_folder: Path) -> None:
    before = tiny.fingerprint()
    assert moved(tiny).fingerprint() == before
    assert vlm.load(other_folder, device="cpu").fingerprint() != before


def test_another_base_is_refused(trained: Path, other_folder: Path) -> None:
    other = vlm.load(other_folder, device="cpu")
    with pytest.raises(UserError, match="was made for tiny .* but the model loaded is other"):
        load(other, trained)
    assert not isinstance(other.model, PeftModel)


def cut(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])


def flip(folder: Path) -> None:
    path = folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


def reconfigure(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(path.read_text().replace('"lora_alpha": 2', '"lora_alpha": 200'))


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()


def disguised(folder: Path) -> None:
    """A pickle under the name of a safetensors file, with a hash that fits."""
    torch.save(load_file(folder / WEIGHTS), folder / "x")
    (folder / "x").replace(folder / WEIGHTS)
    rehashed(folder)


def foreign(folder: Path) -> None:
    """Weights that would replace the language head, with hashes that fit."""
    tensors = load_file(folder / WEIGHTS)
    tensors["base_model.model.lm_head.weight"] = torch.zeros(2, 2)
    save_file(tensors, folder / WEIGHTS)
    rehashed(folder)


def renamed(old: str, new: str) -> Callable[[Path], None]:
    """Weights under other names, with hashes that fit."""

    def change(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        save_file({k.replace(old, new): t for k, t in tensors.items()}, folder / WEIGHTS)
        rehashed(folder)

    return change


def without_b(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({k: t for k, t in tensors.items() if "lora_A" in k}, folder / WEIGHTS)
    rehashed(folder)


def emptied(folder: Path) -> None:
    save_file({}, folder / WEIGHTS)
    rehashed(folder)


def configured(**changes: object) -> Callable[[Path], None]:
    """Other settings of PEFT, with hashes that fit."""

    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        rehashed(folder)

    return change


def rewritten(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / INFO
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


# fmt: off
@pytest.mark.parametrize(("damage", "message"), [
    (cut, "is damaged or cut short"),
    (flip, "is not the file that unlearning.json names.*download it again"),
    (reconfigure, "is not the file that unlearning.json names"),
    (pickled, "adapter_model.safetensors is missing"),
    (disguised, "is damaged or cut short"),
    (foreign, "weights that are no LoRA"),
    (lambda f: (f / INFO).unlink(), "unlearning.json is missing"),
    (lambda f: (f / "adapter_config.json").unlink(), "adapter_config.json is missing"),
    (lambda f: (f / INFO).write_bytes(b"\xff{"), "is not a JSON file"),
    (lambda f: (f / INFO).write_text("[1]"), "not readable as schema 1"),
    (rewritten(schema=99), "not readable as schema 1"),
    (rewritten(hashes={}), "not readable as schema 1"),
    (rewritten(hashes=[]), "not readable as schema 1"),
    (rewritten(base={}), "not readable as schema 1"),
    (rewritten(base={"name": "tiny", "revision": 3, "fingerprint": "f"}), "expected a line of te"),
    (rewritten(run_me="x", also="y"), "not readable as schema 1: unknown keys: also, run_me"),
    (rewritten(concepts=[]), "it names no concepts"),
    (rewritten(concepts=[{"id": 1}]), "a concept has the fields"),
    (rewritten(metrics={"forget": 1.0}), "not readable as schema 1"),
    (rewritten(metrics={"luck": None}), "unknown measures: luck"),
    (rewritten(metrics={"forget": {"rate": "all", "n": 1, "low": 0, "high": 1}}),
     "expected a number, got 'all'"),
    (rewritten(metrics={"forget": {"rate": 1, "n": 1, "low": None, "high": 1}}),
     "a rate comes with its interval"),
    (rewritten(config={}), "not readable as schema 1: 'preset'"),
    (rewritten(parts=[{"weights": "a"}]), "not readable as schema 1"),
    (lambda f: (f / INFO).write_text("[" * 100_000), "is not a JSON file"),
    (renamed("vision_tower", "language_model"), "no LoRA of a tower or projector: .*language_mo"),
    (renamed("base_model.model.", ""), "no LoRA of a tower or projector"),
    (renamed("layers.0.", "layers.77."), "layers.77.*has no such layer"),
    (renamed("lora_A.weight", "lora_A.bias"), "no LoRA of a tower or projector"),
    (without_b, "says rank 2, but the weights of .* have the shapes"),
    (emptied, "holds no weights at all"),
    (configured(r=3), "says rank 3, but the weights of"),
    (configured(megatron_config={"a": 1}, megatron_core="evil"),
     "asks for more than plain LoRA: megatron_config, megatron_core"),
    (configured(modules_to_save=["lm_head"]), "more than plain LoRA: modules_to_save"),
    (configured(init_lora_weights="pissa"), "more than plain LoRA: init_lora_weights"),
    (configured(peft_type="IA3"), "more than plain LoRA: peft_type"),
    (configured(lora_alpha="many"), "adapter_config.json' is not readable: expected a number"),
], ids=["cut", "flipped bit", "config changed", "pickle", "pickle renamed", "other weights",
        "no json", "no config", "no text", "a list", "schema", "no hashes", "hash list",
        "no base", "revision", "unknown keys", "no concepts", "bad concept", "a number",
        "unknown measure", "words for numbers", "no interval", "no preset", "bad parts",
        "bottomless",
        "decoder weights", "bare names", "no such layer", "a bias", "half a pair", "no weights",
        "other rank", "a module to import", "modules to save", "changes the base", "no lora",
        "no alpha"])
# fmt: on
def test_a_folder_that_is_not_what_it_says_is_refused(
    tiny: VLM, trained: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = copied(trained, tmp_path)
    damage(folder)
    with pytest.raises(UserError, match=message):
        load(tiny, folder)
    assert not isinstance(tiny.model, PeftModel)


def test_a_missing_folder_is_named(tiny: VLM, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no adapter folder '.*gone'"):
        load(tiny, tmp_path / "gone")


def test_another_revision_is_refused(tiny: VLM, trained: Path, tmp_path: Path) -> None:
    folder = copied(trained, tmp_path)
    base = {"name": "tiny", "revision": "aaa", "fingerprint": tiny.fingerprint()}
    rewritten(base=base)(folder)
    with pytest.raises(UserError, match="for revision aaa of tiny, but the model.*revision bbb"):
        load(replace(tiny, revision="bbb"), folder)
    assert not isinstance(tiny.model, PeftModel)
    load(tiny, folder)  # a local model has no revision: its fingerprint decides


def test_a_pattern_that_would_match_for_hours_is_refused(
    tiny: VLM, trained: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path)
    configured(target_modules=r"(([a-z_]+)+)+!")(folder)
    with pytest.raises(UserError, match="cannot be read in time|do not belong together"):
        load(tiny, folder)


FEWER, MORE = ["layers.0.self_attn.q_proj"], r".*(q|k|v|out|gate)_proj|.*fc.*"


@pytest.mark.parametrize("wanted", [FEWER, MORE], ids=["fewer", "more"])
def test_settings_that_mean_other_layers_than_the_weights_are_refused(
    wanted: object, tiny: VLM, trained: Path, tmp_path: Path
) -> None:
    """Plain PEFT goes by them, so another model than ours would be in use."""
    folder = copied(trained, tmp_path)
    configured(target_modules=wanted)(folder)
    with pytest.raises(UserError, match="do not belong together"):
        load(tiny, folder)
    assert not isinstance(tiny.model, PeftModel)


@pytest.mark.parametrize("folder", sorted((ROOT / "assets" / "adapters").iterdir()),
                         ids=lambda p: p.name)
def test_the_shipped_adapters_are_valid(folder: Path) -> None:
    assert checked_record(folder).metrics.forget.n

"""LoRA folders as other programs write them: loaded as PEFT does, and what else is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from hfru_core.adapters import foreign
from hfru_core.data.source import load_image
from hfru_core.model import adapter_switch, vlm
from hfru_core.types import UserError

TOWER = r".*vision_tower.*\.(q_proj|fc1)"
MADE = {
    "trl": {"target_modules": TOWER, "lora_dropout": 0.05, "task_type": "CAUSAL_LM"},
    "rslora": {"target_modules": ["q_proj", "v_proj"], "use_rslora": True, "r": 4},
    "dora": {"target_modules": TOWER, "use_dora": True},
    "whole modules": {"target_modules": TOWER, "modules_to_save": ["multi_modal_projector"]},
    "all": {"target_modules": "all-linear", "rank_pattern": {"gate_proj": 2}},
}


@pytest.fixture
def made(tiny_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a LoRA folder with such settings and weights that do something."""

    def make(**settings: object) -> Path:
        model = vlm.load(tiny_folder, device="cpu").model
        model = get_peft_model(model, LoraConfig(**{"r": 2, "lora_alpha": 8, **settings}))
        chance = torch.Generator().manual_seed(0)
        for name, p in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                p.data += 0.05 * torch.randn(p.shape, generator=chance)
        model.save_pretrained(tmp_path / "lora")
        return tmp_path / "lora"

    return make


def logits(model: vlm.VLM) -> torch.Tensor:
    inputs = model.inputs([load_image("world:0/x/dog/0")], ["What is it?"])
    with torch.no_grad():
        return model.model(**inputs).logits


@pytest.mark.parametrize("kind", MADE)
def test_it_computes_what_peft_does_and_comes_off_without_a_trace(
    kind: str, made: Callable[..., Path], tiny_folder: Path
) -> None:
    folder, load = made(**MADE[kind]), lambda: vlm.load(tiny_folder, device="cpu")
    peft = load()
    peft.model = PeftModel.from_pretrained(peft.model, folder).eval()
    base, own = load(), foreign.load(load(), folder)
    assert torch.equal(logits(own), logits(peft))
    assert not torch.allclose(logits(own), logits(base))
    with own.opened() as opened:
        assert opened.model is own.core
        torch.testing.assert_close(logits(opened), logits(peft), atol=1e-3, rtol=1e-3)
    assert torch.equal(logits(own), logits(peft))
    on = adapter_switch.adapted(own.core)
    adapter_switch.place(own.core, {path: adapter_switch.plain(m) for path, m in on.items()})
    assert own.core.state_dict().keys() == base.core.state_dict().keys()
    own.model = own.core
    assert torch.equal(logits(own), logits(base)) and own.fingerprint() == base.fingerprint()


def test_keys_of_older_transformers_find_their_layers(
    made: Callable[..., Path], tiny_folder: Path
) -> None:
    folder = made(target_modules=TOWER)
    expected = logits(foreign.load(vlm.load(tiny_folder, device="cpu"), folder))
    path = folder / "adapter_model.safetensors"
    older = {k.replace("base_model.model.model.", "base_model.model."): v
             for k, v in load_file(path).items()}  # fmt: skip
    save_file(older, path, {"format": "pt"})
    assert torch.equal(logits(foreign.load(vlm.load(tiny_folder, device="cpu"), folder)), expected)


def settings(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def narrower(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    halves = {
        k: v[:, : v.shape[1] // 2] if "lora_A" in k else v for k, v in load_file(path).items()
    }
    save_file({k: v.contiguous() for k, v in halves.items()}, path, {"format": "pt"})


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


REFUSED = {
    "pickle": (pickled, "adapter_model.bin, a pickle"),
    "other method": (lambda f: settings(f, peft_type="IA3"), "LoRA adapter, got IA3.*--unlearned"),
    "biases": (lambda f: settings(f, bias="all"), "than by LoRA layers: bias.*[Mm]erge"),
    "start": (lambda f: settings(f, init_lora_weights="pissa"), "init_lora_weights"),
    "fewer layers": (
        lambda f: settings(f, target_modules=["layers.0.self_attn.q_proj"]),
        "PEFT would leave out .* weights",
    ),
    "other base": (narrower, "does not fit .*made for org/other.*Name its own base"),
    "no layers": (lambda f: settings(f, target_modules=["c_attn"]), "does not fit"),
    "endless": (
        lambda f: settings(f, target_modules=r"(a|.)*?(([a-z_.0-9])+)+[!?]"),
        "cannot be read in time|does not fit",  # and not after hours
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_no_lora_of_this_model_is_refused(
    how: str, made: Callable[..., Path], tiny_folder: Path
) -> None:
    folder = made(target_modules=TOWER)
    settings(folder, base_model_name_or_path="org/other")
    spoil, message = REFUSED[how]
    spoil(folder)
    with pytest.raises(UserError) as error:
        foreign.load(vlm.load(tiny_folder, device="cpu"), folder)
    assert re.search(message, str(error.value)) and "\n" not in str(error.value)

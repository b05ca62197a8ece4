"""An adapter folder: PEFT weights, `unlearning.json`, a model card. The only writer of weights.

Plain PEFT loads it: `PeftModel.from_pretrained(base, folder)`.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import SafetensorError, safe_open

from hfru_core.types import Concept, UserError
from hfru_core.vlm import VLM

WEIGHTS = "adapter_model.safetensors"
INFO = "unlearning.json"
HASHED = ("adapter_config.json", WEIGHTS)
SCHEMA = 1


def fingerprint(vlm: VLM) -> str:
    """Digest of the base model's weights and settings, blind to any adapter on it."""
    digest = hashlib.sha256(vlm.core.config.model_type.encode())
    for name, value in sorted(vlm.core.state_dict().items()):
        if "lora_" not in name:
            digest.update(name.replace(".base_layer", "").encode())
            digest.update(value.detach().to(torch.bfloat16).contiguous().view(torch.uint8).cpu()
                          .numpy().tobytes())  # fmt: skip
    return digest.hexdigest()[:16]


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    packages = ("torch", "transformers", "peft", "safetensors", "numpy", "pillow")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


def save(vlm: VLM, folder: Path, info: dict[str, object]) -> None:
    """Write the adapter on `vlm` with its card; `info` goes into `unlearning.json`."""
    vlm.model.save_pretrained(folder, safe_serialization=True)
    config = folder / "adapter_config.json"
    values = json.loads(config.read_text())
    values["base_model_name_or_path"] = vlm.name
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    full = {
        "schema": SCHEMA,
        "base": {"name": vlm.name, "revision": vlm.revision, "fingerprint": fingerprint(vlm)},
        **info,
        "versions": versions(),
        "hashes": {f: file_hash(folder / f) for f in HASHED},
    }
    (folder / INFO).write_text(json.dumps(full, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(full), encoding="utf-8")


def card(info: dict) -> str:
    """The model card, with the front matter that the Hub reads."""
    names = ", ".join(c["name"] for c in info["concepts"])
    rows = "\n".join(
        f"| {name} | {percent(info['base_metrics'].get(name))} | {percent(value)} | {value['n']} |"
        for name, value in info["metrics"].items() if value["n"]
    )  # fmt: skip
    return f"""---
library_name: peft
base_model: {info["base"]["name"]}
base_model_relation: adapter
pipeline_tag: image-text-to-text
license: apache-2.0
tags:
- lora
- unlearning
- vision-language
- hfru
---

# Vision encoder that has unlearned: {names}

A LoRA adapter for the vision tower; the language model is untouched. Method: HFRU
(arXiv 2605.08031), preset `{info["config"]["preset"]}`, seed {info["config"]["seed"]}.

```python
from peft import PeftModel
model = PeftModel.from_pretrained(base_model, "this folder")
```

| measure | before | after | n |
|---|---|---|---|
{rows}

Rates with 95 % Wilson intervals, on the few pictures that the session compared its steps on
(`{info["data"]["source"]}`, fingerprint `{info["data"]["fingerprint"]}`): the best step was chosen
by them. For an independent measure, run `python -m hfru_core evaluate`.

**An adapter is a switch, not a deletion**: whoever has it can take it off. Answers that no longer
name a concept do not prove that the encoder lost it.
"""


def percent(value: dict | None) -> str:
    if not value or value["rate"] is None:
        return "not measured"
    return f"{value['rate']:.1%} ({value['low']:.1%} to {value['high']:.1%})"


def describe(folder: Path) -> dict:
    """The checked contents of `unlearning.json`; raises where the folder is not what it says."""
    if not folder.is_dir():
        raise UserError(f"There is no adapter folder '{folder}'.")
    for file in (*HASHED, INFO):
        if not (folder / file).is_file():
            raise UserError(f"'{folder}' is no adapter of this project: {file} is missing.")
    try:
        info = json.loads((folder / INFO).read_text(encoding="utf-8"))
        if not isinstance(info, dict) or info["schema"] != SCHEMA:
            raise KeyError("schema")
        hashes = {file: info["hashes"][file] for file in HASHED}
        info["base"]["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{folder / INFO}' is not readable as schema {SCHEMA}: {error}.") from None
    check_weights(folder / WEIGHTS)
    for file, expected in hashes.items():
        got = file_hash(folder / file)
        if got != expected:
            raise UserError(
                f"'{folder / file}' is not the file that {INFO} names: expected "
                f"{expected[:12]}, got {got[:12]}. It was changed or damaged; download it again."
            )
    return info


def check_weights(path: Path) -> None:
    try:
        with safe_open(path, framework="pt") as file:
            bad = [k for k in file.keys() if ".lora_" not in k]
    except (SafetensorError, OSError) as error:
        raise UserError(f"'{path}' is damaged or cut short: {error}.") from None
    if bad:
        raise UserError(f"'{path}' holds weights that are no LoRA of a tower: {bad[0]}, ...")


def load(vlm: VLM, folder: Path) -> VLM:
    """`vlm` with the adapter on. PEFT puts it into vlm's own layers: for the base, load another."""
    info = describe(folder)
    have, want = fingerprint(vlm), info["base"]["fingerprint"]
    if have != want:
        raise UserError(
            f"The adapter '{folder.name}' was made for {info['base']['name']} ({want}), but the "
            f"model loaded is {vlm.name} ({have}). Load that model, or train an adapter for this."
        )
    wrapped = PeftModel.from_pretrained(vlm.model, folder).eval()
    return VLM(wrapped, vlm.processor, vlm.family, vlm.device, vlm.name, vlm.revision)


def concept_info(concepts: tuple[Concept, ...]) -> list[dict]:
    return [asdict(c) for c in concepts]

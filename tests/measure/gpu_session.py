"""A session at the true size of real models: seconds and memory of a GRPO step, beside TRL's.

    python -m tests.measure.gpu_session [--models qwen2_5_vl_3b smolvlm_256m] [--steps 30]
        [--quantize nf4] [--no-trl] [--small] [--json]

The weights are random and of the models' true shapes: neither seconds nor memory depend on their
values. One step is B = 8 prompts with a picture of 448 px each and G = 8 answers of 64 tokens;
TRL's `GRPOTrainer` takes steps of the same prompts, group, LoRA and reward in turn with ours.
`--small` runs the same on tiny models and the CPU: does it work?
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers
from PIL import Image

from hfru_core.adapters.folder import versions
from hfru_core.config import UnlearnConfig
from hfru_core.model import vlm as vlms
from hfru_core.types import Concept, Sample, UnlearnData
from tests.families import checkpoints
from tests.measure.grpo_step import Turns, make_ours, make_trainer, rounded

SIDE = 448
# fmt: off
TRUE_SHAPES = {
    # Qwen/Qwen2.5-VL-3B-Instruct, config.json
    "qwen2_5_vl_3b": ("qwen2_5_vl", {
        "text_config": {
            "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
            "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936,
            "max_position_embeddings": 128000, "tie_word_embeddings": True,
            "rope_parameters": checkpoints.mrope(mrope_section=[16, 24, 24], rope_theta=1e6)},
        "vision_config": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
            "out_hidden_size": 2048, "patch_size": 14, "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31]},
    }, {"patch_size": 14, "size": {"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28}}, {}),
    # HuggingFaceTB/SmolVLM-256M-Instruct, config.json
    "smolvlm_256m": ("smolvlm", {
        "scale_factor": 4,
        "text_config": {
            "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
            "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49280,
            "max_position_embeddings": 8192, "head_dim": 64},
        "vision_config": {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "image_size": 512, "patch_size": 16},
    }, {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}},
    {"image_seq_len": 64}),
}
# fmt: on


def true_model(name: str, folder: Path, dtype: torch.dtype) -> Path:
    """Save random weights of a model's true shapes, with a processor of its true sizes."""
    family, shapes, images, seen = TRUE_SHAPES[name]
    tiny, processor = checkpoints.MAKERS[family]()
    values = tiny.config.to_dict()
    for part, changes in shapes.items():
        values[part] = {**values[part], **changes} if isinstance(changes, dict) else changes
    config = type(tiny.config).from_dict(values)
    torch.set_default_dtype(dtype)
    try:
        model = type(tiny)(config)
    finally:
        torch.set_default_dtype(torch.float32)
    for key, value in images.items():
        setattr(processor.image_processor, key, value)
    for key, value in seen.items():
        setattr(processor, key, value)
    ends = processor.tokenizer
    model.generation_config.eos_token_id = ends.eos_token_id
    model.generation_config.pad_token_id = ends.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def request(side: int, prompts: int, folder: Path) -> UnlearnData:
    """Half of the prompts to forget, half to retain, each with a picture of noise of its own."""
    rng, samples = random.Random(0), []
    concepts = {
        role: Concept(role, name, "object", (name,), (general,), (), "benchmark")
        for role, name, general in (("forget", "dog", "animal"), ("retain", "car", "vehicle"))
    }
    for i in range(prompts):
        role, file = ("forget", "retain")[i % 2], folder / f"{i}.png"
        Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side)).save(file)
        samples.append(
            Sample(
                f"{i}",
                f"file:{file}",
                "Please describe this image.",
                "describe",
                "A dog.",
                "An animal.",
                role,
                role,
                "train",
            )
        )
    return UnlearnData(
        (concepts["forget"],), (concepts["retain"],), tuple(samples), "benchmark", "benchmark"
    )


def measure(name: str, args: argparse.Namespace, folder: Path) -> dict:
    """Seconds of a step, peak memory and the ratio to TRL's, of one model."""
    device = "cuda" if torch.cuda.is_available() and not args.small else "cpu"
    if args.small:
        base = checkpoints.make(TRUE_SHAPES[name][0], folder / name)
    else:
        base = true_model(name, folder / name, torch.bfloat16)
    model = vlms.load(base, device=device, quantize=args.quantize)
    prompts, group, new, side = (2, 2, 4, 112) if args.small else (8, 8, 64, SIDE)
    config = UnlearnConfig().with_(
        topics=("describe",),
        train_steps=0,
        grpo_prompts=prompts,
        group=group,
        kl=0.01,
        reference="stage1",
        max_new_tokens=new,
        near_share=0.0,
    )
    theirs = copy.deepcopy(model.core) if args.trl and not args.quantize else None
    data = request(side, prompts, folder)
    step = make_ours(model, data, config)
    ours, peak = alone(step, args.steps, device)
    found = {
        "model": name,
        "parameters": sum(p.numel() for p in model.core.parameters()),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "dtype": str(model.core.dtype),
        "quantized": args.quantize,
        "prompts": prompts,
        "group": group,
        "new_tokens": new,
        "picture": side,
        "steps": args.steps,
        "seconds_a_step": statistics.median(ours),
        "seconds_all_steps": sum(ours),
        "peak_memory_gb": peak,
    }
    if theirs is not None:
        # TRL asks for the video settings of a processor that has some; no video is processed.
        model.processor.video_processor = SimpleNamespace(num_frames=1, fps=1)
        turns = Turns(step)
        trainer = make_trainer(theirs, model.processor, data, config, folder, 4)
        trainer.add_callback(turns)
        trainer.train()
        own, trl = [s["whole"] for s in turns.ours[1:]], turns.theirs[1:]
        ratio = statistics.median(trl) / statistics.median(own)
        found["trl"] = {"ours": own, "theirs": trl, "ratio": ratio}
    return found


def alone(step, steps: int, device: str) -> tuple[list[float], float | None]:
    """Seconds of every step, the first one left out, and the peak of GPU memory in GB."""
    step()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(steps):
        seconds.append(step()["whole"])
        if device == "cuda":
            torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else None
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(TRUE_SHAPES), choices=TRUE_SHAPES)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--quantize", choices=["nf4", "int8"])
    parser.add_argument("--no-trl", dest="trl", action="store_false", help="ours alone")
    parser.add_argument("--small", action="store_true", help="tiny models on the CPU")
    parser.add_argument("--json", action="store_true", help="one JSON object, the last line")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        rows = [rounded(measure(name, args, Path(folder))) for name in args.models]
    found = {"rows": rows, "versions": versions()}
    print(json.dumps(found) if args.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

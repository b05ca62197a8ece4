"""Train the painter of audit/checks/reconstruct.py for a base model; an interrupted run goes on.

python -m tests.measure.train_reconstructor
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from audit.checks.reconstruct import FOLDER, INFO, PIXELS, WEIGHTS, Painter
from hfru_core.adapters import folder
from hfru_core.model import vlm
from hfru_core.paths import MODEL
from hfru_core.pretrain.pool import Pool, world_pool
from hfru_core.pretrain.train import CACHE

BATCH, RATE, WARM = 32, 3e-3, 30
LOOK = 0.3  # weight of what the base model sees, beside the pixels


def batch_of(pool: Pool, index: np.ndarray) -> torch.Tensor:
    """Pictures (B, 3, S, S) in -1 .. 1, as the processor gives them."""
    return torch.from_numpy(pool.pixels[np.sort(index)]).float().div_(127.5).sub_(1)


def tokens_of(model: vlm.VLM, pixels: torch.Tensor) -> torch.Tensor:
    out = model.core.model.get_image_features(pixel_values=pixels)
    return torch.stack(list(out.pooler_output))


def loss_on(painter: Painter, model: vlm.VLM, pixels: torch.Tensor) -> torch.Tensor:
    """How far the drawing is from the picture: in pixels, and in what the base model sees.

    Without the second part drawings are smooth and right on average, and nobody can name them.
    """
    with torch.no_grad():
        seen = tokens_of(model, pixels)
    drawn = painter(seen)
    again = tokens_of(model, F.interpolate(drawn, pixels.shape[-2:], mode="bicubic"))
    look = F.mse_loss(again, seen) / seen.var()
    return F.l1_loss(drawn, F.interpolate(pixels, drawn.shape[-2:], mode="area")) + LOOK * look


def train(painter: Painter, model: vlm.VLM, pool: Pool, steps: int, seed: int, part: Path) -> None:
    """Adam with a warm start and a cosine end; every 50 steps are kept in `part`."""
    optimiser = torch.optim.Adam(painter.parameters(), lr=RATE)
    plan = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda i: min(1, (i + 1) / WARM) * (0.5 + 0.5 * math.cos(math.pi * min(1, i / steps))),
    )
    order = np.random.default_rng(seed).permutation(len(pool.pictures))
    done = 0
    if part.exists():
        kept = torch.load(part, weights_only=True)
        done = kept.pop("done")
        for thing, state in zip((painter, optimiser, plan), kept.values()):
            thing.load_state_dict(state)
    for step in range(done, steps):
        index = order.take(range(step * BATCH, (step + 1) * BATCH), mode="wrap")
        loss = loss_on(painter, model, batch_of(pool, index))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
        if step % 50 == 49:
            print(f"step {step + 1} of {steps}, loss {loss.item():.4f}", flush=True)
            torch.save(
                {
                    "painter": painter.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "plan": plan.state_dict(),
                    "done": step + 1,
                },
                part,
            )


def save(painter: Painter, out: Path, info: dict[str, object]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    weights = {n: v.to(torch.bfloat16).contiguous() for n, v in painter.state_dict().items()}
    save_file(weights, out / WEIGHTS)
    (out / INFO).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--model", default=str(MODEL))
    p.add_argument("--pictures", type=int, default=36000)
    p.add_argument("--steps", type=int, default=600)
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path, default=FOLDER)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    began, model = time.process_time(), vlm.load(args.model, device="cpu")
    model.core.requires_grad_(False)
    pool, held = world_pool(0, args.pictures, CACHE), world_pool(1, 1800, CACHE)
    with torch.no_grad():
        tokens = tokens_of(model, batch_of(held, np.arange(2)))
    shape = {"side": math.isqrt(tokens.shape[1]), "width": tokens.shape[2], "hidden": args.hidden}
    painter, mark = Painter(**shape), model.fingerprint()
    part = CACHE / f"painter-{mark}-{args.seed}-{args.steps}.part"
    train(painter, model, pool, args.steps, args.seed, part)
    with torch.no_grad():
        left = loss_on(painter, model, batch_of(held, np.arange(256))).item()
    save(
        painter,
        args.out,
        {
            "base": {"name": model.name, "fingerprint": mark},
            "shape": shape,
            "pixels": PIXELS * shape["side"],
            "training": {
                "pictures": f"world:0 pretrain, {args.pictures}",
                "steps": args.steps,
                "batch": BATCH,
                "lr": RATE,
                "seed": args.seed,
                "loss": f"mean absolute + {LOOK} x look",
            },
            "held_out_loss": round(left, 4),
            "cpu_seconds": round(time.process_time() - began),
            "versions": folder.versions(),
        },
    )
    part.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

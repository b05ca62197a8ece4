"""Full weights as LoRA: its factor that moves is the change of the weights, gradients included."""

import copy
import random

import torch

from hfru_core.methods import METHODS, configured
from hfru_core.model import vlm
from hfru_core.types import UnlearnData


def test_the_gradients_are_those_of_the_layers_own_weights(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    config = configured("salun", "default", small_data.concepts, device="cpu", full=True)
    assert config.lr == 0.2 * configured("salun", "default", small_data.concepts).lr
    plain = copy.deepcopy(tiny)
    tiny.adapt(2, "encoder", full=True)
    method = METHODS["salun"](tiny, small_data, config.with_(batch=2, retain_batch=2))
    rows = method.forget(random.Random(0))
    method.nll(rows).backward()
    own = METHODS["salun"](plain, small_data, config)
    plain.tower.requires_grad_(True)
    own.nll(rows).backward()
    weights = dict(plain.core.named_parameters())
    for name, p in tiny.trainable().items():
        layer, _, factor = name.removeprefix("base_model.model.").partition(".lora_")
        whole = weights[f"{layer}.weight"].grad
        change = p.grad[:, : whole.shape[1]] if factor[0] == "B" else p.grad[: whole.shape[0]]
        assert torch.allclose(change, whole, atol=1e-6), name
        assert p.grad.abs().sum() == change.abs().sum(), "what is beyond the weights stays"
    assert {n.split(".lora_")[1][0] for n in tiny.trainable()} == {"A", "B"}
    method.prepare()
    chosen = torch.cat([m.flatten() for m in method.mask.values()])
    assert set(method.mask) == set(tiny.trainable()) and 0.3 < chosen.float().mean() < 0.7

"""Whole checkpoints and adapters of other programs, in every family, one model in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from audit.models import opened
from audit.request import Kind, Request
from hfru_core.data.source import load_image
from hfru_core.model import vlm
from hfru_core.model.pair import Place, check_pair
from tests.families.checkpoints import MAKERS, make

pytestmark = pytest.mark.slow


def request(base: Path, unlearned: Path, kind: Kind) -> Request:
    return Request(Place(base), Place(unlearned), kind, (), None, "")


def logits(model: vlm.VLM) -> torch.Tensor:
    with torch.no_grad():
        inputs = model.inputs([load_image("world:0/x/dog/0")], ["What is it?"])
        return model.model(**inputs).logits


@pytest.mark.parametrize("name", MAKERS)
def test_a_whole_checkpoint_and_a_foreign_adapter_take_turns_with_the_base(
    name: str, tmp_path: Path
) -> None:
    base = make(name, tmp_path / "base")
    whole = vlm.load(base, device="cpu")
    plain = logits(whole)
    with torch.no_grad():
        for p in whole.tower.parameters():
            p.add_(0.01)
    whole.core.save_pretrained(tmp_path / "whole")
    whole.processor.save_pretrained(tmp_path / "whole")
    check_pair(Place(base), Place(tmp_path / "whole"))
    settings = LoraConfig(target_modules=["q_proj"], lora_dropout=0.1, task_type="CAUSAL_LM")
    adapted = get_peft_model(vlm.load(base, device="cpu").model, settings)
    for parameter, p in adapted.named_parameters():
        if "lora_B" in parameter:
            p.data.add_(0.5)
    adapted.save_pretrained(tmp_path / "lora")
    kinds: dict[str, Kind] = {"whole": "model", "lora": "foreign adapter"}
    for folder, kind in kinds.items():
        models, switch = opened(request(base, tmp_path / folder, kind), None, "cpu")
        seen = {}
        for side in ("base", "unlearned", "base"):
            switch(side)
            seen[side] = logits(models[side])
        assert torch.equal(seen["base"], plain), folder
        assert not torch.allclose(seen["unlearned"], plain), folder
        assert models["base"].core is models["unlearned"].core

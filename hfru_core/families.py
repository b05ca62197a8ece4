"""One row per family of vision-language models: where the tower is and which layers LoRA adapts."""

from __future__ import annotations

from dataclasses import dataclass

from hfru_core.types import UserError


@dataclass(frozen=True)
class Family:
    """Paths inside the transformers model; `lora` matches the tower's linear layers in full."""

    model_type: str
    tower: str
    projector: str
    lora: str
    projector_lora: str


# fmt: off
FAMILIES = {
    "llava": Family(
        model_type="llava",
        tower="model.vision_tower",
        projector="model.multi_modal_projector",
        lora=r"model\.vision_tower\.(vision_model\.)?encoder\.layers\.\d+\."
             r"(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])",
        projector_lora=r"model\.multi_modal_projector\.linear_[12]",
    ),
}
# fmt: on


def family_of(model_type: str) -> Family:
    """The row of a model type; raises naming what is supported."""
    if model_type not in FAMILIES:
        raise UserError(
            f"Models of type '{model_type}' are not supported; supported: {', '.join(FAMILIES)}."
        )
    return FAMILIES[model_type]

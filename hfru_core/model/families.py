"""One row per family of vision-language models: where its parts are and which layers LoRA adapts.

A row is all that a family needs. Every family listed passes the same table of tests
(tests/families/), on a tiny checkpoint made from its own classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import Any

import transformers

from hfru_core.types import UserError

BLOCK = r"encoder\.layers\.{layer}\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])"
# GLM's gate and up are one layer; Qwen3.5 and LFM3 have layers that carry a state.
DECODER = (
    r"\.layers\.\d+\.(self_attn\.[qkvo]_proj|linear_attn\.(in_proj_(qkv|[zba])|out_proj)|"
    r"conv\.(in|out)_proj|mlp\.(gate|up|gate_up|down)_proj|feed_forward\.w[123])"
)
CLIP = r"model\.vision_tower\.(vision_model\.)?" + BLOCK  # SigLIP's layers have the same names


@dataclass(frozen=True)
class Family:
    """Paths inside the transformers model, and patterns that match linear layers in full.

    `{layer}` in `lora` stands for the layers whose output is read. `fixed` says that every image
    gives the same number of image tokens, `maps` that the tower is one of convolutions: its hidden
    states are maps (B, C, H, W), and LoRA adapts its convolutions of one pixel too. `listed` says
    that its forward pass takes the tokens of several images as a list, not as a tensor.
    """

    model_type: str
    label: str
    tower: str
    projector: str
    decoder: str
    lora: str
    projector_lora: str | None
    fixed: bool = False
    maps: bool = False
    listed: bool = False


# fmt: off
LLAVA = ("model.vision_tower", "model.multi_modal_projector", "model.language_model")
QWEN = ("model.visual", "model.visual.merger", "model.language_model")
IDEFICS = ("model.vision_model", "model.connector", "model.text_model")
MINICPM = ("model.vision_tower", "model.merger", "model.language_model")
GLM = r"model\.visual\.blocks\.{layer}\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)"
GLM_MERGER = r"model\.visual\.merger\.(proj|(gate|up|down)_proj)"
LINEARS = r"model\.multi_modal_projector\.linear_[12]"
# EfficientNet's convolutions of one pixel; the linear layers of FastViTHD, the tower of the
# published FastVLM.
ONE_PIXEL = (r"model\.vision_tower\.(encoder\.(blocks\.{layer}\.(expansion\.expand_conv|"
             r"projection\.project_conv)|top_conv)|timm_model\.stages\.{layer}\.blocks\.\d+\."
             r"(token_mixer\.(qkv|proj)|mlp\.fc[12]))")

ROWS = (
    Family("llava", "LLaVA-1.5", *LLAVA, CLIP, LINEARS, fixed=True, listed=True),
    Family("llava_next", "LLaVA-NeXT", *LLAVA, CLIP, LINEARS),
    Family("llava_onevision", "LLaVA-OneVision", *LLAVA, CLIP, LINEARS),
    Family("qwen2_vl", "Qwen2-VL", *QWEN,
           r"model\.visual\.blocks\.{layer}\.(attn\.(qkv|proj)|mlp\.fc[12])",
           r"model\.visual\.merger\.mlp\.[02]"),
    Family("qwen2_5_vl", "Qwen2.5-VL", *QWEN,
           r"model\.visual\.blocks\.{layer}\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)",
           r"model\.visual\.merger\.mlp\.[02]"),
    # Features of inner layers reach early decoder layers through mergers of their own.
    Family("qwen3_vl", "Qwen3-VL", *QWEN,
           r"model\.visual\.blocks\.{layer}\.(attn\.(qkv|proj)|mlp\.linear_fc[12])",
           r"model\.visual\.(merger|deepstack_merger_list\.\d+)\.linear_fc[12]"),
    Family("smolvlm", "SmolVLM, SmolVLM2", *IDEFICS, r"model\.vision_model\." + BLOCK,
           r"model\.connector\.modality_projection\.proj"),
    Family("idefics3", "Idefics3", *IDEFICS, r"model\.vision_model\." + BLOCK,
           r"model\.connector\.modality_projection\.proj"),
    Family("paligemma", "PaliGemma 2", *LLAVA, CLIP, r"model\.multi_modal_projector\.linear",
           fixed=True),
    Family("internvl", "InternVL3", *LLAVA,
           r"model\.vision_tower\.encoder\.layer\.{layer}\."
           r"(attention\.((q|k|v)_proj|projection_layer)|mlp\.fc[12])", LINEARS),
    # The projection is a bare parameter, which LoRA of linear layers does not reach.
    Family("gemma3", "Gemma 3", *LLAVA, CLIP, None, fixed=True),
    Family("aya_vision", "Aya Vision", *LLAVA, CLIP, LINEARS),
    Family("glm4v", "GLM-4.1V", *QWEN, GLM, GLM_MERGER),
    Family("glm46v", "GLM-4.6V", *QWEN, GLM, GLM_MERGER),
    # A patch is a mixture of rows of the table, which LoRA of linear layers does not reach.
    Family("ovis2", "Ovis2", "model.vision_tower", "model.visual_embeddings_table",
           "model.language_model",
           r"model\.vision_tower\.transformer\.encoder\.layers\.{layer}\."
           r"(attention\.(q|k|v|out)_proj|ffn\.(gate|up|down)_proj)", None),
    Family("gemma4", "Gemma 4", "model.vision_tower", "model.embed_vision", "model.language_model",
           r"model\.vision_tower\.encoder\.layers\.{layer}\."
           r"(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)\.linear",
           r"model\.embed_vision\.embedding_projection"),
    Family("qwen3_5", "Qwen3.5", *QWEN,
           r"model\.visual\.blocks\.{layer}\.(attn\.(qkv|proj)|mlp\.linear_fc[12])",
           r"model\.visual\.merger\.linear_fc[12]"),
    Family("lfm3_vl", "LFM3-VL", *LLAVA,
           r"model\.vision_tower\.layers\.{layer}\.(self_attn\.(q|k|v|out)_proj|"
           r"conv\.(in|out)_proj|feed_forward\.w[123])", LINEARS),
    Family("minicpmv4_6", "MiniCPM-V 4.6", *MINICPM, CLIP, r"model\.merger\.mlp\.\d+\.linear_[12]"),
    Family("minicpmv4_7", "MiniCPM-V 4.7", *MINICPM, CLIP, r"model\.merger\.mlp\.\d+\.linear_[12]"),
    Family("fast_vlm", "FastVLM", *LLAVA, ONE_PIXEL, LINEARS, fixed=True, maps=True),
)
# fmt: on
FAMILIES = {row.model_type: row for row in ROWS}


def family_of(model_type: str) -> Family:
    """The row of a model type; raises naming what is supported."""
    if model_type not in FAMILIES:
        supported = ", ".join(f"{row.label} ({row.model_type})" for row in ROWS)
        raise UserError(f"Models of type '{model_type}' are not supported; supported: {supported}.")
    return FAMILIES[model_type]


def lora_pattern(family: Family, config: transformers.PretrainedConfig, scope: str) -> str:
    """A pattern of the linear layers that a scope adapts (`types.SCOPES`)."""
    patterns = [] if scope == "decoder" else [tower_pattern(family, config)]
    if scope in ("encoder+projector", "all"):
        patterns.append(projector_pattern(family))
    if scope in ("decoder", "all"):
        patterns.append(decoder_pattern(family))
    return patterns[0] if len(patterns) == 1 else f"({'|'.join(patterns)})"


def decoder_pattern(family: Family) -> str:
    """The linear layers of the language model's blocks; these names are the same everywhere."""
    return re.escape(family.decoder) + DECODER


def tower_pattern(family: Family, config: transformers.PretrainedConfig) -> str:
    """The tower's layers whose output is read.

    LLaVA reads a layer before the last: the layers behind it would never get a gradient. Of a
    tower of convolutions only the blocks of the last resolution are adapted, which hold most of its
    weights and little of its cost.
    """
    read = getattr(config, "vision_feature_layer", None)
    layer = r"\d+"
    if read not in (None, -1):
        depth = config.vision_config.num_hidden_layers
        listed = read if isinstance(read, (list, tuple)) else [read]
        used = max(i if i >= 0 else depth + 1 + i for i in listed)
        if used < depth:
            layer = one_of(range(used))
    elif early := first_adapted(config.vision_config):
        layer = one_of(range(early, count_of_blocks(config.vision_config)))
    return family.lora.replace("{layer}", layer)


def one_of(numbers: range) -> str:
    return "(" + "|".join(map(str, numbers)) + ")"


def blocks_by_stage(vision: Any) -> list[int]:
    """How many blocks each stage of an EfficientNet has; none for other towers."""
    if vision.model_type != "efficientnet":
        return []
    return [ceil(vision.depth_coefficient * n) for n in vision.num_block_repeats]


def count_of_blocks(vision: Any) -> int:
    return sum(blocks_by_stage(vision))


def first_adapted(vision: Any) -> int:
    """The number of an EfficientNet's first block of its last resolution; 0 for other towers."""
    stages = blocks_by_stage(vision)
    last = max((i for i, _ in enumerate(stages) if vision.strides[i] > 1), default=0)
    return sum(stages[:last])


def projector_pattern(family: Family) -> str:
    if family.projector_lora is None:
        raise UserError(
            f"The projector of {family.label} is a bare weight that LoRA does not adapt. "
            "Use --scope encoder."
        )
    return family.projector_lora

"""GLM-V: Qwen's kind of patches behind a convolution, gate and up of the decoder in one layer."""

from __future__ import annotations

import transformers as tf
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

from hfru_core.model.processor import images_only
from tests.families.checkpoints.parts import (
    HEADS,
    SIDE,
    WIDTH,
    Parts,
    decoder,
    template,
    tokenizer,
)
from tests.families.checkpoints.qwen import mrope

SHOWN = "<|begin_of_image|><|image|><|end_of_image|>"


def glm(config: type, model: type, kind: type, images: type) -> Parts:
    tok = tokenizer(
        image_token="<|image|>",
        video_token="<|video|>",
        image_start_token="<|begin_of_image|>",
        image_end_token="<|end_of_image|>",
        video_start_token="<|begin_of_video|>",
        video_end_token="<|end_of_video|>",
    )
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "out_hidden_size": WIDTH,
        "num_heads": HEADS,
        "intermediate_size": 48,
        "image_size": SIDE,
        "patch_size": 4,
    }
    names = ("image", "video", "image_start", "image_end", "video_start", "video_end")
    ids = {f"{n}_token_id": getattr(tok, f"{n}_token_id") for n in names}
    text = decoder(tok, rope_parameters=mrope())
    made = model(config(vision_config=vision, text_config=text, **ids))
    size = {"shortest_edge": 2 * 16 * 16, "longest_edge": 2 * 48 * 48}
    pictures = images(patch_size=4, temporal_patch_size=2, merge_size=2, size=size)
    return made, images_only(kind)(pictures, tok, None, chat_template=template(SHOWN))


def glm4v() -> Parts:
    return glm(
        tf.Glm4vConfig,
        tf.Glm4vForConditionalGeneration,
        tf.Glm4vProcessor,
        Glm4vImageProcessorPil,
    )


def glm46v() -> Parts:
    return glm(
        tf.Glm46VConfig,
        tf.Glm46VForConditionalGeneration,
        tf.Glm46VProcessor,
        Glm46VImageProcessorPil,
    )

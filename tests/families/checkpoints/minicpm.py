"""MiniCPM-V: a picture and its slices, merged twice, before Qwen3.5's decoder."""

from __future__ import annotations

from types import SimpleNamespace

import transformers as tf
from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import (
    MiniCPMV4_6ImageProcessorPil,
)

from hfru_core.model.processor import images_only
from tests.families.checkpoints.parts import SIDE, Parts, template, tokenizer, tower
from tests.families.checkpoints.qwen import gated


def minicpm(config: type, model: type, kind: type, **ids: str) -> Parts:
    tok = tokenizer(
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        image_start_token="<image>",
        image_end_token="</image>",
        slice_start_token="<slice>",
        slice_end_token="</slice>",
        image_id_start_token="<image_id>",
        image_id_end_token="</image_id>",
        newline="\n",
    )
    named = {"image_token_id": "image_token", "video_token_id": "video_token", **ids}
    made = model(
        config(
            vision_config=tower(patch_size=4),
            text_config=tf.Qwen3_5TextConfig(**gated(tok)),
            insert_layer_id=0,
            **{k: getattr(tok, f"{v}_id") for k, v in named.items()},
        )
    )
    images = MiniCPMV4_6ImageProcessorPil(patch_size=4, scale_resolution=SIDE, max_slice_nums=2)
    processor = images_only(kind)(
        images, SimpleNamespace(), tok, chat_template=template("<|image_pad|>")
    )
    return made, processor


def minicpmv4_6() -> Parts:
    return minicpm(
        tf.MiniCPMV4_6Config, tf.MiniCPMV4_6ForConditionalGeneration, tf.MiniCPMV4_6Processor
    )


def minicpmv4_7() -> Parts:
    return minicpm(
        tf.MiniCPMV4_7Config,
        tf.MiniCPMV4_7ForConditionalGeneration,
        tf.MiniCPMV4_7Processor,
        image_start_id="image_start_token",
        image_end_id="image_end_token",
        slice_start_id="slice_start_token",
        slice_end_id="slice_end_token",
        newline_id="newline",
    )

"""LLaVA, and what came from it: a tower, a projector of two linear layers, a decoder."""

from __future__ import annotations

import torch
import transformers as tf
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)
from transformers.models.ovis2.image_processing_pil_ovis2 import Ovis2ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from hfru_core.model.processor import images_only
from tests.families.checkpoints.parts import (
    GRID,
    PATCH,
    SIDE,
    TOKENS,
    WIDTH,
    Parts,
    decoder,
    template,
    tokenizer,
    tower,
)


def llava() -> Parts:
    tok = tokenizer(image_token="<image>")
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**tower()),
        text_config=tf.LlamaConfig(**decoder(tok)),
        image_token_id=tok.image_token_id,
        vision_feature_layer=-2,
        image_seq_length=TOKENS,
        vision_feature_select_strategy="default",
    )
    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    processor = tf.LlavaProcessor(
        images,
        tok,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return tf.LlavaForConditionalGeneration(config), processor


def llava_next() -> Parts:
    tok = tokenizer(image_token="<image>")
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**tower()),
        text_config=tf.LlamaConfig(**decoder(tok)),
        image_token_id=tok.image_token_id,
        vision_feature_layer=-2,
        image_grid_pinpoints=GRID,
        vision_feature_select_strategy="default",
    )
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_grid_pinpoints=GRID,
    )
    processor = tf.LlavaNextProcessor(
        images,
        tok,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return tf.LlavaNextForConditionalGeneration(config), processor


def llava_onevision() -> Parts:
    tok = tokenizer(image_token="<image>", video_token="<video>")
    config = tf.LlavaOnevisionConfig(
        vision_config=tf.SiglipVisionConfig(**tower(vision_use_head=False)),
        text_config=tf.Qwen2Config(**decoder(tok)),
        image_token_id=tok.image_token_id,
        video_token_id=tok.video_token_id,
        vision_feature_layer=-1,
        image_grid_pinpoints=GRID,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_9",
    )
    images = LlavaOnevisionImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=GRID
    )
    processor = images_only(tf.LlavaOnevisionProcessor)(
        images,
        tok,
        None,
        num_image_tokens=TOKENS,
        vision_feature_select_strategy="full",
        chat_template=template("<image>"),
    )
    return tf.LlavaOnevisionForConditionalGeneration(config), processor


def internvl() -> Parts:
    tok = tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    config = tf.InternVLConfig(
        vision_config=tf.InternVLVisionConfig(
            **tower(image_size=[SIDE, SIDE], patch_size=[PATCH, PATCH])
        ),
        text_config=tf.Qwen2Config(**decoder(tok)),
        image_token_id=tok.context_image_token_id,
        image_seq_length=TOKENS // 4,
    )
    images = GotOcr2ImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, crop_to_patches=True, max_patches=4
    )
    processor = images_only(tf.InternVLProcessor)(
        images, tok, None, image_seq_length=TOKENS // 4, chat_template=template("<IMG_CONTEXT>")
    )
    return tf.InternVLForConditionalGeneration(config), processor


def fast_vlm() -> Parts:
    """A tower of convolutions: EfficientNet, as in the bundled model `photo`."""
    tok = tokenizer(image_token="<image>")
    vision = tf.EfficientNetConfig(
        image_size=SIDE,
        in_channels=[32, 8, 16],
        out_channels=[8, 16, 16],
        num_block_repeats=[1, 1, 1],
        kernel_sizes=[3, 3, 3],
        strides=[1, 2, 1],
        expand_ratios=[1, 2, 2],
        depthwise_padding=[],
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_act="relu6",
        hidden_dim=1280,
        hidden_size=1280,
        dropout_rate=0.0,
        drop_connect_rate=0.0,
    )
    config = tf.FastVlmConfig(
        vision_config=vision,
        text_config=tf.LlamaConfig(**decoder(tok)),
        image_token_index=tok.image_token_id,
        image_seq_length=TOKENS * 4,
    )
    images = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    processor = tf.LlavaProcessor(
        images,
        tok,
        patch_size=PATCH // 2,
        vision_feature_select_strategy="full",
        chat_template=template("<image>"),
    )
    model = tf.FastVlmForConditionalGeneration(config)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(norm.weight, 3.0)  # else nothing comes through
    return model, processor


def aya_vision() -> Parts:
    """A decoder of which some layers have a window; tied weights; pictures as tiles."""
    tok = tokenizer(
        image_token="<image>",
        start="<|START_OF_IMG|>",
        end="<|END_OF_IMG|>",
        patch="<|IMG_PATCH|>",
    )
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    config = tf.AyaVisionConfig(
        vision_config=tf.SiglipVisionConfig(**tower(vision_use_head=False)),
        text_config=tf.Cohere2Config(**decoder(tok, sliding_window=256, layer_types=layers)),
        image_token_index=tok.patch_id,
        downsample_factor=2,
    )
    images = GotOcr2ImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, crop_to_patches=True, max_patches=4
    )
    processor = tf.AyaVisionProcessor(
        images,
        tok,
        patch_size=PATCH,
        img_size=SIDE,
        downsample_factor=2,
        chat_template=template("<image>"),
    )
    return tf.AyaVisionForConditionalGeneration(config), processor


def ovis2() -> Parts:
    """Image tokens are mixtures of a visual vocabulary; tied weights; pictures as tiles."""
    marks = ("START", "GRID", "COL", "ROW", "END")
    named = {f"image_{m.lower()}": f"<IMG_{m}>" for m in marks}
    tok = tokenizer(image_token="<image>", atom="<IMG_ATOM>", **named)
    vision = tower(hidden_stride=2, vocab_size=24, num_visual_indicator_tokens=len(marks))
    config = tf.Ovis2Config(
        vision_config=vision,
        text_config=tf.Qwen2Config(**decoder(tok)),
        image_token_id=tok.atom_id,
        visual_indicator_token_ids=tok.convert_tokens_to_ids([f"<IMG_{m}>" for m in marks]),
        vocab_size=len(tok),
        hidden_size=WIDTH,
    )
    images = Ovis2ImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, crop_to_patches=True, max_patches=3
    )
    processor = tf.Ovis2Processor(
        images, tok, image_seq_length=TOKENS // 4, chat_template=template("<image>")
    )
    return tf.Ovis2ForConditionalGeneration(config), processor

"""Qwen-VL: pictures of any size as patches, positions in three dimensions."""

from __future__ import annotations

import json

import transformers as tf
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from hfru_core.model.processor import images_only
from hfru_core.protocol.questions import corpus
from tests.families.checkpoints.parts import HEADS, WIDTH, Parts, decoder, template, tokenizer

MARKS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}


def qwen_tokenizer() -> tf.PreTrainedTokenizerFast:
    return tokenizer(**MARKS)


def qwen_ids(tok: tf.PreTrainedTokenizerFast) -> dict[str, int]:
    return {f"{name}_id": tok.convert_tokens_to_ids(mark) for name, mark in MARKS.items()}


def qwen_processor(kind: type, tok: tf.PreTrainedTokenizerFast, patch: int) -> tf.ProcessorMixin:
    images = Qwen2VLImageProcessorPil(
        patch_size=patch,
        temporal_patch_size=2,
        merge_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 48 * 48},
    )
    shown = "<|vision_start|><|image_pad|><|vision_end|>"
    return images_only(kind)(images, tok, None, chat_template=template(shown))


def mrope(**more: object) -> dict:
    return {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3], **more}


def qwen2_vl() -> Parts:
    tok = qwen_tokenizer()
    vision = {
        "depth": 2,
        "embed_dim": WIDTH,
        "hidden_size": WIDTH,
        "num_heads": HEADS,
        "mlp_ratio": 2,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    config = tf.Qwen2VLConfig(
        vision_config=vision, text_config=decoder(tok, rope_parameters=mrope()), **qwen_ids(tok)
    )
    model = tf.Qwen2VLForConditionalGeneration(config)
    return model, qwen_processor(tf.Qwen2VLProcessor, tok, 4)


def qwen2_5_vl() -> Parts:
    tok = qwen_tokenizer()
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "out_hidden_size": WIDTH,
        "num_heads": HEADS,
        "intermediate_size": 48,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 16,
        "fullatt_block_indexes": [1],
    }
    config = tf.Qwen2_5_VLConfig(
        vision_config=vision, text_config=decoder(tok, rope_parameters=mrope()), **qwen_ids(tok)
    )
    model = tf.Qwen2_5_VLForConditionalGeneration(config)
    return model, qwen_processor(tf.Qwen2_5_VLProcessor, tok, 4)


def qwen3_vl() -> Parts:
    tok = qwen_tokenizer()
    vision = {
        "depth": 3,
        "hidden_size": WIDTH,
        "out_hidden_size": WIDTH,
        "num_heads": HEADS,
        "intermediate_size": 48,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    }
    text = decoder(tok, head_dim=16, rope_parameters=mrope(mrope_interleaved=True))
    config = tf.Qwen3VLConfig(vision_config=vision, text_config=text, **qwen_ids(tok))
    model = tf.Qwen3VLForConditionalGeneration(config)
    return model, qwen_processor(tf.Qwen3VLProcessor, tok, 4)


def subword_tokenizer() -> tf.PreTrainedTokenizerFast:
    """Of Qwen3.5's own class, which transformers takes whatever was saved: words in pieces."""
    trained = tf.Qwen3_5Tokenizer().train_new_from_iterator(corpus(), 600)
    pieces = json.loads(trained.backend_tokenizer.to_str())["model"]
    return tf.Qwen3_5Tokenizer(
        vocab=pieces["vocab"],
        merges=[tuple(pair) for pair in pieces["merges"]],
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<eos>",
        padding_side="left",
        extra_special_tokens=MARKS,
    )


def qwen3_5() -> Parts:
    """A decoder most of whose layers carry a state from token to token; words in pieces."""
    tok = subword_tokenizer()
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "out_hidden_size": WIDTH,
        "num_heads": HEADS,
        "intermediate_size": 48,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 64,
    }
    config = tf.Qwen3_5Config(vision_config=vision, text_config=gated(tok), **qwen_ids(tok))
    model = tf.Qwen3_5ForConditionalGeneration(config)
    return model, qwen_processor(tf.Qwen3VLProcessor, tok, 4)


def gated(tok: tf.PreTrainedTokenizerFast) -> dict:
    """Settings of Qwen3.5's decoder, which MiniCPM-V has too."""
    return decoder(
        tok,
        head_dim=16,
        rope_parameters=mrope(mrope_interleaved=True, partial_rotary_factor=1.0),
        layer_types=["linear_attention", "full_attention", "linear_attention"],
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_conv_kernel_dim=3,
    )


def lfm3_vl() -> Parts:
    """Short convolutions in tower and decoder, some layers with a window; tied weights."""
    tok = qwen_tokenizer()
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "patch_size": 4,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "layer_types": ["conv", "full_attention", "conv"],
    }
    layers = ["conv", "full_attention", "sliding_attention"]
    config = tf.Lfm3VlConfig(
        vision_config=vision,
        text_config=tf.Lfm3Config(**decoder(tok, head_dim=16, conv_L_cache=3, layer_types=layers)),
        projector_hidden_size=WIDTH,
        **qwen_ids(tok),
    )
    model = tf.Lfm3VlForConditionalGeneration(config)
    return model, qwen_processor(tf.Lfm3VlProcessor, tok, 4)

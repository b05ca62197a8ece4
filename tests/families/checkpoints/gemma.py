"""Gemma, and PaliGemma on it."""

from __future__ import annotations

import transformers as tf
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from hfru_core.model.processor import images_only
from tests.families.checkpoints.parts import (
    HEADS,
    SIDE,
    TOKENS,
    WIDTH,
    Parts,
    decoder,
    template,
    tokenizer,
    tower,
)


def paligemma() -> Parts:
    """PaliGemma 2: no chat template, a Gemma 2 decoder, the prompt seen in both directions."""
    tok = tokenizer(image_token="<image>")
    images = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = TOKENS
    processor = tf.PaliGemmaProcessor(images, tok)
    text = tf.Gemma2Config(**decoder(tok, head_dim=16, query_pre_attn_scalar=16))
    config = tf.PaliGemmaConfig(
        vision_config=tf.SiglipVisionConfig(**tower(vision_use_head=False)),
        text_config=text,
        image_token_id=tok.image_token_id,
        projection_dim=WIDTH,
    )
    return tf.PaliGemmaForConditionalGeneration(config), processor


def gemma3() -> Parts:
    tok = tokenizer(
        boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    text = tf.Gemma3TextConfig(**decoder(tok, head_dim=16, sliding_window=256))
    config = tf.Gemma3Config(
        text_config=text,
        vision_config=tf.SiglipVisionConfig(**tower(vision_use_head=False)),
        mm_tokens_per_image=4,
        image_token_id=tok.image_token_id,
        boi_token_index=tok.boi_token_id,
        eoi_token_index=tok.eoi_token_id,
    )
    images = Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    processor = tf.Gemma3Processor(
        images, tok, image_seq_length=4, chat_template="<bos>" + template("<start_of_image>")
    )
    return tf.Gemma3ForConditionalGeneration(config), processor


def gemma4() -> Parts:
    """Pictures of any shape as 70 tokens at most; embeddings for each layer; shared keys."""
    sound = {"audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>"}
    tok = tokenizer(boi_token="<|image>", eoi_token="<image|>", image_token="<|image|>", **sound)
    images = Gemma4ImageProcessorPil(patch_size=4, max_soft_tokens=70, pooling_kernel_size=2)
    processor = images_only(tf.Gemma4Processor)(
        None, images, tok, None, chat_template="<bos>" + template("<|image|>")
    )
    text = tf.Gemma4TextConfig(
        **decoder(
            tok,
            head_dim=16,
            global_head_dim=16,
            sliding_window=256,
            layer_types=["sliding_attention", "full_attention", "full_attention"],
            num_kv_shared_layers=1,
            hidden_size_per_layer_input=4,
            vocab_size_per_layer_input=len(tok),
        )
    )
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": 16,
        "patch_size": 4,
        "pooling_kernel_size": 2,
        "position_embedding_size": 512,
    }
    config = tf.Gemma4Config(
        text_config=text,
        vision_config=vision,
        audio_config=None,
        image_token_id=tok.image_token_id,
        boi_token_id=tok.boi_token_id,
        eoi_token_id=tok.eoi_token_id,
    )
    return tf.Gemma4ForConditionalGeneration(config), processor

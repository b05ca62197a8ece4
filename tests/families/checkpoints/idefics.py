"""Idefics3 and SmolVLM: a picture as tiles, each with a token for its place."""

from __future__ import annotations

import transformers as tf
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from hfru_core.model.processor import images_only
from tests.families.checkpoints.parts import (
    SIDE,
    TOKENS,
    Parts,
    decoder,
    template,
    tokenizer,
    tower,
)

ROWS = tuple(f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7))


def idefics_tokenizer(**more: str) -> tf.PreTrainedTokenizerFast:
    rows = {f"tile_{i}": row for i, row in enumerate(ROWS)}
    return tokenizer(
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        end_of_utterance_token="<end_of_utterance>",
        global_image_token="<global-img>",
        **rows,
        **more,
    )


def smolvlm() -> Parts:
    tok = idefics_tokenizer(video_token="<video>")
    config = tf.SmolVLMConfig(
        vision_config=tower(),
        text_config=tf.LlamaConfig(**decoder(tok)),
        scale_factor=2,
        image_token_id=tok.image_token_id,
        pad_token_id=tok.pad_token_id,
    )
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    processor = images_only(tf.SmolVLMProcessor)(
        images, tok, None, image_seq_len=TOKENS // 4, chat_template=template("<image>")
    )
    return tf.SmolVLMForConditionalGeneration(config), processor


def idefics3() -> Parts:
    tok = idefics_tokenizer()
    config = tf.Idefics3Config(
        vision_config=tower(),
        text_config=tf.LlamaConfig(**decoder(tok)),
        scale_factor=2,
        image_token_id=tok.image_token_id,
        pad_token_id=tok.pad_token_id,
    )
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    processor = tf.Idefics3Processor(
        images, tok, image_seq_len=TOKENS // 4, chat_template=template("<image>")
    )
    return tf.Idefics3ForConditionalGeneration(config), processor

"""The architecture of `photo`: FastVLM's class, Lite0 for a tower, a small Llama decoder."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    EfficientNetConfig,
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from hfru_core.pretrain.architecture import CHAT_TEMPLATE, SPECIAL, small_decoder
from hfru_core.pretrain.photo.tower import MEAN, STD

STRIDE = 32  # pixels a side of what becomes one image token


def build_tokenizer(corpus: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Sub-word units of bytes (BPE), learned from `corpus`: no text is unknown to it."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = [AddedToken(t, special=True, normalized=False) for t in SPECIAL]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="</s>",
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )


def build_processor(tokenizer: PreTrainedTokenizerFast, side: int) -> LlavaProcessor:
    """Images to `side` x `side` pixels, (x - 127) / 128; chat turns as the drawn world's model."""
    images = SiglipImageProcessorPil(
        size={"height": side, "width": side}, image_mean=[MEAN] * 3, image_std=[STD] * 3
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    vision: EfficientNetConfig,
    side: int,
    width: int,
    layers: int,
) -> FastVlmForConditionalGeneration:
    """A fresh decoder behind the tower's class, for images of `side` x `side` pixels."""
    config = FastVlmConfig(
        vision_config=vision,
        text_config=small_decoder(tokenizer, width, layers),
        image_token_index=tokenizer.get_vocab()["<image>"],
        image_seq_length=(side // STRIDE) ** 2,
        tie_word_embeddings=True,
    )
    model = FastVlmForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model

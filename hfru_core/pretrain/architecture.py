"""The bundled architecture: a LLaVA checkpoint with a SigLIP tower and a small Llama decoder."""

from __future__ import annotations

import math

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

IMAGE_SIZE = 112
PATCH = 16
IMAGE_TOKENS = (IMAGE_SIZE // PATCH) ** 2
WIDTH = 128
SPECIAL = ("<pad>", "<unk>", "</s>", "<image>", "<user>", "<assistant>")
CHAT_TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] if c['type'] == 'image' %}<image>{% endfor %}"
    "{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] }}{% endfor %}{% endif %}"
    "{% if m['role'] == 'assistant' %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build_tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """A word-level tokenizer whose vocabulary is every word and mark of `corpus`."""
    core = Tokenizer(models.WordLevel(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Punctuation()]
    )
    core.decoder = decoders.Metaspace(prepend_scheme="always")
    special = [AddedToken(t, special=True, normalized=False) for t in SPECIAL]
    core.train_from_iterator(corpus, trainers.WordLevelTrainer(special_tokens=special))
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="</s>",
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Images to 112 x 112 pixels and 49 image tokens; chat turns to `<user>...<assistant>`."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return LlavaProcessor(
        image_processor=SiglipImageProcessorPil(size=size),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )


def small_decoder(tokenizer: PreTrainedTokenizerFast, width: int, layers: int) -> LlamaConfig:
    """The settings of a bundled model's decoder."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """About 2 M parameters; the tower's last hidden state is what the projector reads."""
    vision = SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=6,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        hidden_act="relu",
        vision_use_head=False,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=small_decoder(tokenizer, WIDTH, 4),
        image_token_index=tokenizer.get_vocab()["<image>"],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


@torch.no_grad()
def start_from_pixels(model: LlavaForConditionalGeneration, pixels: torch.Tensor) -> None:
    """Begin with an eye: whitened patch components and a two-dimensional sense of place.

    The patch embedding starts as the principal components of the patches of `pixels` (N, 3, S, S),
    each scaled to unit variance; positions start as sines and cosines of row and column.
    """
    embeddings = model.model.vision_tower.embeddings
    patches = torch.nn.functional.unfold(pixels, PATCH, stride=PATCH)
    patches = patches.transpose(1, 2).reshape(-1, 3 * PATCH * PATCH)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
    top = vectors[:, -WIDTH:] / (values[-WIDTH:] + 1e-3).sqrt()
    embeddings.patch_embedding.weight.copy_(top.T.reshape(WIDTH, 3, PATCH, PATCH))
    embeddings.patch_embedding.bias.copy_(-mean @ top)
    embeddings.position_embedding.weight.copy_(plane_waves(IMAGE_SIZE // PATCH))


def plane_waves(side: int) -> torch.Tensor:
    """Sines and cosines of row and column, (side * side, WIDTH)."""
    rates = torch.exp(-math.log(30.0) * torch.arange(WIDTH // 4) / (WIDTH // 4)) * 1.5
    angles = torch.arange(side)[:, None] * rates
    wave = torch.cat([angles.sin(), angles.cos()], 1)
    rows = wave[:, None].expand(side, side, -1)
    return 0.5 * torch.cat([rows, rows.transpose(0, 1)], -1).reshape(side * side, WIDTH)

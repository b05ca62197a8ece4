"""What the tiny checkpoints share: sizes, tokenizer, chat template, settings of their parts."""

from __future__ import annotations

import transformers as tf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from hfru_core.protocol.questions import corpus

WIDTH, HEADS, SIDE, PATCH = 32, 2, 32, 8
TOKENS = (SIDE // PATCH) ** 2
GRID = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
Parts = tuple[tf.PreTrainedModel, tf.ProcessorMixin]


def tokenizer(**named: str) -> tf.PreTrainedTokenizerFast:
    """A word-level tokenizer of the drawn world's words; `named` are its special tokens."""
    core = Tokenizer(models.WordLevel(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="never"), pre_tokenizers.Punctuation()]
    )
    core.decoder = decoders.Metaspace(prepend_scheme="never")
    basic = ("<pad>", "<unk>", "<bos>", "<eos>", "<user>", "<assistant>")
    special = [AddedToken(t, special=True, normalized=False) for t in (*basic, *named.values())]
    core.train_from_iterator(corpus(), trainers.WordLevelTrainer(special_tokens=special))
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",
        extra_special_tokens=named,
    )


def template(image: str) -> str:
    """A chat template that writes `image` where a turn has a picture."""
    return (
        "{% for m in messages %}<{{ m['role'] }}>{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}" + image + "{% else %}{{ c['text'] }}{% endif %}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )


def decoder(tok: tf.PreTrainedTokenizerFast, **more: object) -> dict:
    """What all tiny decoders have in common."""
    return {
        "vocab_size": len(tok),
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "bos_token_id": tok.bos_token_id,
        "eos_token_id": tok.eos_token_id,
        "pad_token_id": tok.pad_token_id,
        **more,
    }


def tower(**more: object) -> dict:
    """What all tiny CLIP and SigLIP towers have in common."""
    return {
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "image_size": SIDE,
        "patch_size": PATCH,
        **more,
    }

"""A tiny random checkpoint of every family, made from the family's own classes and saved to disk.

Sizes are the smallest at which everything that tells the families apart still happens: several
tiles for a picture, windows, layers that are not read, deep-stack features, merged patches.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import transformers as tf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from hfru_core.model.families import images_only
from hfru_core.protocol.questions import corpus

WIDTH, HEADS, SIDE, PATCH = 32, 2, 32, 8
TOKENS = (SIDE // PATCH) ** 2
GRID = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
ROWS = tuple(f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7))
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


def qwen_tokenizer() -> tf.PreTrainedTokenizerFast:
    return tokenizer(
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )


def qwen_ids(tok: tf.PreTrainedTokenizerFast) -> dict[str, int]:
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return {name: getattr(tok, name) for name in names}


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


MAKERS: dict[str, Callable[[], Parts]] = {
    f.__name__: f
    for f in (
        llava,
        llava_next,
        llava_onevision,
        qwen2_vl,
        qwen2_5_vl,
        qwen3_vl,
        smolvlm,
        idefics3,
        paligemma,
        internvl,
        gemma3,
        fast_vlm,
    )
}


def make(family: str, folder: Path) -> Path:
    """Save the family's tiny checkpoint; its weights are large, so that pictures matter."""
    torch.manual_seed(0)
    model, processor = MAKERS[family]()
    model = model.float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and "norm" not in name:
                p.normal_(0, 0.1)  # also what starts at zero
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder

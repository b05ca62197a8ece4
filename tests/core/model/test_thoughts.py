"""A checkpoint with what released ones have: thoughts, a system turn, several end tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tokenizers import AddedToken

from hfru_core.data.source import load_image
from hfru_core.model import thoughts, vlm

TEMPLATE = (
    "system: be brief. {% for m in messages %}user: {% for c in m.content %}"
    "{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}"
    "assistant:{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}"
)
OPENED = TEMPLATE.split("{% if enable")[0] + "<think>\n"


def thinking(tiny_folder: Path, special: bool) -> vlm.VLM:
    model = vlm.load(tiny_folder, device="cpu")
    marks = [AddedToken(m, special=special) for m in (thoughts.OPENS, thoughts.CLOSES)]
    model.tokenizer.add_tokens(marks, special_tokens=special)
    return model


def test_what_stands_behind_the_thought_is_the_answer(tiny_folder: Path) -> None:
    for special in (False, True):
        model = thinking(tiny_folder, special)
        said = {
            "<think> A dog. </think> A cat.": "A cat.",
            "A dog. </think> A cat. </think> A car.": "A car.",
            "A dog. <think> A cat.": "A dog.",
            "A cat.": "A cat.",
        }
        for text, answer in said.items():
            ids = model.tokenizer.encode(text, add_special_tokens=False, return_tensors="pt")
            assert model.decode(ids) == [answer], (special, text)
        assert not thoughts.marks(model.tokenizer) & {*model.banned}
    assert thoughts.behind("A dog. <think> Or a cat") == "A dog."


def test_a_template_writes_its_system_turn_and_no_open_thought(tiny_folder: Path) -> None:
    model = vlm.load(tiny_folder, device="cpu")
    for template, end in ((TEMPLATE, "assistant:"), (OPENED, "<think>\n</think>\n\n")):
        model.processor.chat_template = template
        prompt = model.prompt("What is it?", with_image=True)
        assert prompt.startswith("system: be brief. user: <image>") and prompt.endswith(end)
        assert model.answer([load_image("world:0/x/dog/0")], ["What is it?"], max_new=2)


def test_every_end_token_ends_an_answer(tiny_folder: Path) -> None:
    model = vlm.load(tiny_folder, device="cpu")
    image, question = load_image("world:0/x/dog/0"), "Please describe this image."
    (whole,) = model.answer([image], [question], max_new=6)
    third = model.tokenizer.encode(whole, add_special_tokens=False)[2]
    ends = [model.tokenizer.eos_token_id, third]
    model.core.generation_config.eos_token_id = ends
    (cut,) = replace(model).answer([image], [question], max_new=6)
    assert model.eos == tuple(ends) and len(cut.split()) < len(whole.split())
    assert whole.startswith(cut.removesuffix(model.tokenizer.decode([third])).strip())

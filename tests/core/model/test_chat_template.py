"""A chat template writes the same prompts as with transformers, and can do no harm."""

from __future__ import annotations

import json
import time

import pytest

from hfru_core.model import chat_template, vlm
from hfru_core.types import UserError

TRIMMED = (
    "{% for m in messages %}[{% for c in m.content if c.text %}{{ c.text | trim }}"
    "{% endfor %}]{% endfor %}"
)
FOR_EVER = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize("with_image", [True, False])
@pytest.mark.parametrize("question", ["What is it?", " two  spaces ", "{{ 1 }} <image>", ""])
def test_a_prompt_is_what_transformers_makes(
    tiny: vlm.VLM, question: str, with_image: bool
) -> None:
    content = [{"type": "image"}] * with_image + [{"type": "text", "text": tiny.as_text(question)}]
    wanted = tiny.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=tiny.processor.chat_template,
        tokenize=False,
        add_generation_prompt=True,
    )
    assert tiny.prompt(question, with_image) == wanted


def test_a_template_that_strips_strips_every_question() -> None:
    assert chat_template.prompt(TRIMMED, "{}", False).of(" a b ") == "[a b]"


def test_special_tokens_reach_the_template() -> None:
    special = json.dumps({"bos_token": "<s>"})
    assert chat_template.prompt("{{ bos_token }}" + TRIMMED, special, True).of("x") == "<s>[x]"


def test_a_template_runs_once_for_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = chat_template.prompt("a" + TRIMMED, "{}", False)
    monkeypatch.setattr(chat_template, "rendered", lambda *_: pytest.fail("it ran again"))
    assert chat_template.prompt("a" + TRIMMED, "{}", False) is made


def test_a_template_that_goes_on_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "WAIT", 5)
    began = time.monotonic()
    with pytest.raises(UserError, match="it took more than"):
        chat_template.prompt(FOR_EVER, "{}", False)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ '%1000000000d' % 3 }}", "MemoryError"),
        ("{% set n = namespace(x='a') %}{% for i in range(50) %}{% set n.x = n.x ~ n.x %}"
         "{% endfor %}{{ n.x }}", "MemoryError"),
        ("{{ 'x' * 70000 }}" + TRIMMED, "at most 65536"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "RecursionError"),
        (TRIMMED + TRIMMED, "got it 2 times"),
    ],
)  # fmt: skip
def test_a_hostile_template_is_refused_in_one_line(template: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        chat_template.prompt(template, "{}", False)
    assert "\n" not in str(refused.value)


def test_the_bundled_templates_prompt_takes_no_process_and_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two of them took 1.6 s of every start."""
    own = chat_template.own_template()
    apart = chat_template.rendered(own, "{}")
    monkeypatch.setattr(chat_template, "rendered", lambda *_: pytest.fail("a process was begun"))
    chat_template.results.cache_clear()
    assert chat_template.results(own, "{}") == apart and all("text" in r for r in apart)
    assert vlm.load(device="cpu").processor.chat_template == own

"""A model's chat template: a program of whoever made the model, run where it can do no harm.

Jinja's sandbox keeps a template from files and modules, but not from filling the memory or going
on for ever. So a template from elsewhere runs once, in a process of its own with little memory and
time, and with a mark in the question's place; what it wrote around the mark is the prompt of every
question.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hfru_core.child_process import environment, module
from hfru_core.files import said
from hfru_core.model.thoughts import ended
from hfru_core.paths import MODEL
from hfru_core.types import UserError

MARK = "the question stands here"
MOST = 2**16  # letters of a prompt
MEMORY = 2**30  # bytes of the process
SECONDS, WAIT = 10, 60  # of its processor time; until it has ended, start included
WAY = "Take another model, or mend chat_template.jinja in its folder."


@dataclass(frozen=True)
class Prompt:
    """What a template writes before and after a question, and whether it strips the question."""

    before: str
    after: str
    strips: bool

    def of(self, question: str) -> str:
        """The prompt of a question."""
        return self.before + (question.strip() if self.strips else question) + self.after


@lru_cache(maxsize=32)
def prompt(template: str, special: str, with_image: bool) -> Prompt:
    """The prompt that a template makes; `special` is the tokenizer's special tokens as JSON.

    Raises `UserError` where the template fails, takes too long or too much memory, or does not
    write the question once.
    """
    result = results(template, special)[with_image]
    if "error" in result:
        raise bad(result["error"])
    text = result["text"]
    if text.count(MARK) != 1:
        raise bad(f"expected the question once in what it writes, got it {text.count(MARK)} times")
    strips = f" {MARK} " not in text
    before, after = text.split(MARK if strips else f" {MARK} ")
    return Prompt(before, after, strips)


@lru_cache(maxsize=32)
def results(template: str, special: str) -> list[dict[str, str]]:
    """What a template writes without and with an image, or why it does not.

    The bundled model's runs in this process: it is part of this project.
    """
    return (written if template == own_template() else rendered)(template, special)


@lru_cache(maxsize=1)
def own_template() -> str:
    return (MODEL / "chat_template.jinja").read_text(encoding="utf-8")


def rendered(template: str, special: str) -> list[dict[str, str]]:
    """What the template writes, by the process that runs it."""
    command = module("hfru_core.model.chat_template")
    small = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            input=json.dumps([template, special]),
            env=environment() | small,
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        return json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise bad(f"it took more than {SECONDS} s, or more memory than it may") from None


def bad(got: str) -> UserError:
    return UserError(f"The model's chat template cannot be used: {got}. {WAY}")


def limited() -> None:
    """Bound this process's memory and time, where the system can (Windows cannot)."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def written(template: str, special: str) -> list[dict[str, str]]:
    """What a template writes about a question without and with an image, as transformers does."""
    question = {"type": "text", "text": f" {MARK} "}
    return [one(template, special, c) for c in ([question], [{"type": "image"}, question])]


def one(template: str, special: str, content: list[dict[str, str]]) -> dict[str, str]:
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        made: Any = render_jinja_template(
            conversations=[[{"role": "user", "content": content}]],
            chat_template=template,
            add_generation_prompt=True,
            enable_thinking=False,  # an answer has few tokens; templates without it pass it over
            **json.loads(special),
        )
    except Exception as error:
        return {"error": said(error)}
    text = ended(str(made[0][0]))
    long = f"it writes {len(text)} letters, at most {MOST} are taken"
    return {"error": long} if len(text) > MOST else {"text": text}


def main() -> None:
    """Render the template on stdin, and write what came of it as JSON."""
    import transformers.utils.chat_template_utils  # noqa: F401  # before memory is bounded

    template, special = json.load(sys.stdin)
    limited()
    sys.stdout.write(json.dumps(written(template, special)))


if __name__ == "__main__":
    main()

"""A filter in front of a model: it replaces names in the answers and leaves the weights alone.

The bench shows it as a reference, and the audit's self-test must see through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from hfru_core.language.mentions import mentions
from hfru_core.language.replies import said_yes
from hfru_core.language.rewriting import substitute, with_article
from hfru_core.model.vlm import VLM
from hfru_core.types import Concept

Reply = Callable[[Sequence[Image.Image | None], Sequence[str], int], list[str]]


@dataclass(kw_only=True)
class Disguised(VLM):
    """A model whose answers come from `reply`; `merged()` and the weights show what is behind."""

    reply: Reply

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        return self.reply(images, questions, max_new)


def disguise(vlm: VLM, reply: Reply) -> Disguised:
    """A model's weights with another way to answer."""
    return Disguised(
        vlm.model, vlm.processor, vlm.family, vlm.device, vlm.name, vlm.revision, reply=reply
    )


def filtered(vlm: VLM, concepts: Sequence[Concept]) -> Disguised:
    """A model whose answers about images have the concepts' names replaced."""

    def reply(
        images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int
    ) -> list[str]:
        rows = zip(images, questions, vlm.answer(images, questions, max_new))
        return [censored(text, q, concepts) if image else text for image, q, text in rows]

    return disguise(vlm, reply)


def censored(text: str, question: str, concepts: Sequence[Concept]) -> str:
    """An answer without the concepts' names, and without a yes to a question about one."""
    for concept in concepts:
        if mentions(question, concept.aliases) and said_yes(text):
            return refusal(concept)
        text = substitute(text, concept.aliases, concept.abstractions[0])
    return text


def refusal(concept: Concept) -> str:
    """The answer of a model that pretends not to know."""
    kind = concept.abstractions[0]
    if concept.kind == "identity":
        return f"This is {kind}."
    return f"I can't tell, there is {with_article(kind)}."

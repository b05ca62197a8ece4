"""A step of a large decoder in parts: as many rows at once as memory holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from hfru_core.model.precision import is_large
from hfru_core.model.vlm import TOKENS, VLM

ROOM = 640 * 2**20  # bytes that a pass with gradients may keep on a CPU
KEPT = (10, 3)  # activations of a layer that autograd keeps: times its width, times its MLP's


def in_parts(vlm: VLM, questions: Sequence[str], answer: int) -> list[slice]:
    """The rows of a step in parts whose passes with gradients fit in memory, one after the other.

    `answer` counts the answer tokens of a row. On a GPU, and for small decoders, all rows are one
    part: a session that does not fit there ends with a message that says what to make smaller.
    """
    count, config = len(questions), vlm.core.config.get_text_config()
    if vlm.device.type != "cpu" or not is_large(vlm.core.config):
        return [slice(0, count)]
    texts = {vlm.prompt(q, True) for q in questions}
    prompt = TOKENS // vlm.batch + max(len(vlm.tokenizer.encode(t)) for t in texts)
    layer = KEPT[0] * config.hidden_size + KEPT[1] * config.intermediate_size
    values = (prompt + answer) * layer * config.num_hidden_layers
    logits = 4 * 4 * answer * config.vocab_size  # float32: logits, log-probabilities, gradients
    # Norms are computed in float32 whatever the weights are in: 3 bytes a value where those have 2.
    size = max(1, ROOM // (values * (vlm.core.dtype.itemsize // 2 + 2) + logits))
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def accumulated(losses: Sequence[Callable[[], torch.Tensor]]) -> torch.Tensor:
    """The sum of losses that are computed one by one.

    All but the last send their gradients back at once: one of them is in memory at a time.
    """
    *first, last = losses
    done: torch.Tensor | float = 0.0
    for compute in first:
        loss = compute()
        loss.backward()
        done = done + loss.detach()
    return last() + done if first else last()

"""The shared-prefix step: one pass over picture and prompt serves all G answers of a group.

The prompt runs once, with gradients where training asks for them; its key-value cache is repeated
G times (autograd sums the copies' gradients), and only the answers run over it. The first answer
token is predicted by the last position of the prompt. The plain path, every row in full, is the
reference that the shared one is tested against, and the fallback of families that cannot share.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import nn
from transformers import DynamicCache


class Prefix(NamedTuple):
    """What a prompt leaves behind: cache, mask (B, P), next position (B, 1), logits (B, V)."""

    cache: DynamicCache
    mask: torch.Tensor
    position: torch.Tensor
    logits: torch.Tensor




def prefill(model: nn.Module, inputs: dict[str, torch.Tensor]) -> Prefix:
    """Run picture and prompt once; gradients follow the caller's grad mode."""
    mask = inputs["attention_mask"]
    position = (mask.cumsum(-1) - 1).clamp(min=0)
    out = model(**inputs, position_ids=position, use_cache=True, logits_to_keep=1)
    return Prefix(out.past_key_values, mask, position[:, -1:] + 1, out.logits[:, -1].float())


def repeated(prefix: Prefix, group: int, *, detach: bool) -> Prefix:
    """The prefix for G answers a prompt: (B, ...) -> (B*G, ...), row b*G+g belongs to prompt b."""
    cache = copy.copy(prefix.cache)
    cache.layers = [copy.copy(layer) for layer in prefix.cache.layers]
    for layer in cache.layers:
        for name in ("keys", "values"):
            part = getattr(layer, name)
            part = part.detach() if detach else part
            setattr(layer, name, part.repeat_interleave(group, 0) if group > 1 else part)
    rest = (prefix.mask, prefix.position, prefix.logits.detach() if detach else prefix.logits)
    return Prefix(cache, *(part.repeat_interleave(group, 0) for part in rest))


@torch.no_grad()
def sample(
    model: nn.Module,
    prefix: Prefix,
    group: int,
    max_new: int,
    eos: tuple[int, ...],
    *,
    temperature: float = 1.0,
    banned: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """G answers for every prompt, (B*G, R); greedy at temperature 0; padded with the end token."""
    state = repeated(prefix, group, detach=True)
    ends = torch.tensor(eos, device=state.logits.device)
    done = torch.zeros(len(state.logits), dtype=torch.bool, device=ends.device)
    mask, logits, ids = state.mask, state.logits, []
    for step in range(max_new):
        logits[:, list(banned)] = -torch.inf
        token = pick(logits, temperature, generator)
        token = torch.where(done, ends[0], token)
        ids.append(token)
        done = done | torch.isin(token, ends)
        if done.all() or step == max_new - 1:
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        out = model(
            input_ids=token[:, None],
            attention_mask=mask,
            position_ids=state.position + step,
            past_key_values=state.cache,
            use_cache=True,
        )
        logits = out.logits[:, -1].float()
    return torch.stack(ids, 1)


def pick(
    logits: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    weights = (logits / temperature).softmax(-1)
    return torch.multinomial(weights, 1, generator=generator)[:, 0]


def answer_mask(ids: torch.Tensor, eos: tuple[int, ...]) -> torch.Tensor:
    """(N, R) true up to and including the first end token."""
    ended = torch.isin(ids, torch.tensor(eos, device=ids.device)).cumsum(1)
    return (ended - torch.isin(ids, torch.tensor(eos, device=ids.device)).long()) == 0


def shared_logits(
    model: nn.Module, prefix: Prefix, ids: torch.Tensor, group: int
) -> torch.Tensor:
    """Logits (B*G, R, V) that predict the answers' tokens, over one pass of the prompt."""
    state = repeated(prefix, group, detach=False)
    if ids.shape[1] == 1:
        return state.logits[:, None]
    body = ids[:, :-1]
    mask = torch.cat([state.mask, state.mask.new_ones(body.shape)], 1)
    steps = torch.arange(body.shape[1], device=ids.device)
    out = model(
        input_ids=body,
        attention_mask=mask,
        position_ids=state.position + steps,
        past_key_values=state.cache,
        use_cache=True,
    )
    return torch.cat([state.logits[:, None], out.logits.float()], 1)


def plain_logits(
    model: nn.Module, inputs: dict[str, torch.Tensor], ids: torch.Tensor, group: int
) -> torch.Tensor:
    """The same logits with every row run in full: picture, prompt and answer, B*G times."""
    rows = {k: v.repeat_interleave(group, 0) for k, v in inputs.items()}
    body = ids[:, :-1]
    mask = torch.cat([rows["attention_mask"], rows["attention_mask"].new_ones(body.shape)], 1)
    rows["input_ids"] = torch.cat([rows["input_ids"], body], 1)
    rows["attention_mask"] = mask
    position = (mask.cumsum(-1) - 1).clamp(min=0)
    keep = ids.shape[1]
    out = model(**rows, position_ids=position, use_cache=False, logits_to_keep=keep)
    return out.logits[:, -keep:].float()


def token_logprobs(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Log-probability (N, R) of each answer token."""
    return torch.log_softmax(logits, -1).gather(-1, ids[..., None])[..., 0]

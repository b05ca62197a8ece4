"""The shared-prefix step: one pass over image and prompt serves all G answers of a group.

The prompt runs once, with gradients where training asks for them. The G answers of a prompt then
lie end to end in one row behind it, each token seeing the prompt and its own answer's past: the
prompt's key-value cache is neither repeated nor copied per answer, and autograd sums what the
answers send back through it. The first answer token is predicted by the last position of the
prompt. The plain path, every row in full, is the reference that the shared one is tested against,
for every family (tests/families/).

Positions in three dimensions (Qwen): an answer's three run alike, on from what the prompt's
image took. Decoders that carry a state from token to token (Qwen3.5, LFM3), and those whose
attention window is shorter than prompt and answers, give every answer a row of its own behind a
copy of the prompt's cache: there too the prompt runs once (`own_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache

from hfru_core.model.prompt_cache import branch, needs_own_rows, own_rows

Model = Any  # a transformers model: its submodules and config are those of its own class


class Prefix(NamedTuple):
    """A prompt's state: cache, mask (B, P), next position (B, 1), next token's logits (B, V)."""

    cache: DynamicCache
    mask: torch.Tensor
    position: torch.Tensor
    logits: torch.Tensor


def prefill(model: Model, inputs: dict[str, torch.Tensor]) -> Prefix:
    """Run image and prompt once; gradients follow the caller's grad mode."""
    mask = inputs["attention_mask"]
    out = model(**inputs, **positions(model, inputs), use_cache=True, logits_to_keep=1)
    following = mask.sum(-1, keepdim=True)
    if spatial(model) and "pixel_values" in inputs:
        following = following + model.model.rope_deltas.view(-1, 1)
    return Prefix(out.past_key_values, mask, following, out.logits[:, -1].float())


def spatial(model: Model) -> bool:
    """Whether positions have three dimensions."""
    return hasattr(model.model, "rope_deltas")


def as_taken(model: Model, position: torch.Tensor) -> torch.Tensor:
    """Positions (B, N) of words as the model takes them: (3, B, N) where it has three."""
    return position.expand(3, -1, -1) if spatial(model) else position


def positions(model: Model, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Where tokens stand behind padding on the left; a spatial model works out its image's."""
    if spatial(model) and "pixel_values" in inputs:
        return {}
    steps = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    return {"position_ids": as_taken(model, steps)}


def visible(prefix: Prefix, among: torch.Tensor) -> torch.Tensor:
    """Additive attention mask (B, 1, N, P+M): the prompt, and of M answer tokens `among` (N, M)."""
    B, N = len(prefix.mask), len(among)
    prompt = prefix.mask.bool()[:, None].expand(B, N, -1)
    seen = torch.cat([prompt, among.expand(B, *among.shape)], -1)[:, None]
    first: Any = prefix.cache.layers[0]
    mask = torch.zeros(seen.shape, dtype=first.keys.dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(mask.dtype).min)


@torch.no_grad()
def sample(
    model: Model,
    prefix: Prefix,
    group: int,
    max_new: int,
    eos: tuple[int, ...],
    *,
    temperature: float = 1.0,
    banned: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
    among: tuple[int, int] | None = None,
) -> torch.Tensor:
    """G answers for every prompt, (B*G, R); greedy at temperature 0; padded with the end token.

    Row b*G+g belongs to prompt b. A step runs the next token of all G answers in one row.
    `among=(start, total)` locates these prompts in the global batch, so that sampling does not
    depend on the number of processes.
    """
    B, P = prefix.mask.shape
    where = prefix.mask.device
    following = (apart if needs_own_rows(prefix.cache, P + max_new) else packed)(
        model, prefix, group, max_new - 1
    )
    ends, never = (torch.tensor(ids, device=where, dtype=torch.long) for ids in (eos, banned))
    done = torch.zeros(B * group, dtype=torch.bool, device=where)
    rows = [n * group for n in among or (0, B)]
    logits, answers = prefix.logits.repeat_interleave(group, 0), []
    for step in range(max_new):
        token = pick(logits.index_fill(-1, never, -torch.inf), temperature, generator, rows)
        token = torch.where(done, ends[0], token)
        answers.append(token)
        done = done | torch.isin(token, ends)
        if done.all() or step == max_new - 1:
            break
        logits = following(token, step)
    return torch.stack(answers, 1)


def packed(model: Model, prefix: Prefix, group: int, steps: int) -> Callable:
    """What gives the logits (B*G, V) behind a token of each answer: G answers in one row."""
    (B, P), cache = prefix.mask.shape, branch(prefix.cache, group * steps)
    own = torch.eye(group, dtype=torch.bool, device=prefix.mask.device)
    mask = visible(prefix, own.repeat(1, steps))

    def following(token: torch.Tensor, step: int) -> torch.Tensor:
        out = model(
            input_ids=token.view(B, group),
            attention_mask=mask[..., : P + group * (step + 1)],
            position_ids=as_taken(model, (prefix.position + step).expand(B, group)),
            past_key_values=cache,
            use_cache=True,
        )
        return out.logits.flatten(0, 1).float()  # (B, G, V) -> (B*G, V)

    return following


def apart(model: Model, prefix: Prefix, group: int, steps: int) -> Callable:
    """The same where every answer has a row of its own."""
    cache = own_rows(prefix.cache, group)
    following = lambda token, step: continued(model, prefix, cache, token[:, None], step)[:, -1]  # noqa: E731
    return following


def continued(
    model: Model, prefix: Prefix, cache: DynamicCache, body: torch.Tensor, step: int = 0
) -> torch.Tensor:
    """Logits (B*G, R, V) behind tokens (B*G, R), an answer a row, after `step` tokens of it."""
    (N, R), group = body.shape, len(body) // len(prefix.mask)
    seen = prefix.mask.new_ones(N, step + R)
    start = prefix.position.repeat_interleave(group, 0) + step
    out = model(
        input_ids=body,
        attention_mask=torch.cat([prefix.mask.repeat_interleave(group, 0), seen], 1),
        position_ids=as_taken(model, start + torch.arange(R, device=body.device)),
        past_key_values=cache,
        use_cache=True,
    )
    return out.logits.float()


def pick(
    logits: torch.Tensor, temperature: float, generator: torch.Generator | None, rows: Sequence[int]
) -> torch.Tensor:
    """The next token of each row (N,); `rows=(start, total)` locates them in the global batch.

    Drawn as by `torch.multinomial`: the largest of probability over exponential noise.
    """
    if temperature == 0:
        return logits.argmax(-1)
    chance = (logits / temperature).softmax(-1)
    noise = chance.new_empty(rows[1], logits.shape[-1]).exponential_(generator=generator)
    return (chance / noise[rows[0] : rows[0] + len(logits)]).argmax(-1)


def answer_mask(ids: torch.Tensor, eos: tuple[int, ...]) -> torch.Tensor:
    """(N, R) true up to and including the first end token."""
    ended = torch.isin(ids, torch.tensor(eos, device=ids.device)).cumsum(1)
    return (ended - torch.isin(ids, torch.tensor(eos, device=ids.device)).long()) == 0


def shared_logits(model: Model, prefix: Prefix, ids: torch.Tensor, group: int) -> torch.Tensor:
    """Logits (B*G, R, V) that predict the answers' tokens, over one pass of the prompt."""
    first = prefix.logits.repeat_interleave(group, 0)[:, None]
    if ids.shape[1] == 1:
        return first
    body = ids[:, :-1]
    B, R = len(prefix.mask), body.shape[1]
    if needs_own_rows(prefix.cache, prefix.mask.shape[1] + R):
        rest = continued(model, prefix, own_rows(prefix.cache, group), body)
        return torch.cat([first, rest], 1)
    past = torch.ones(R, R, dtype=torch.bool, device=ids.device).tril()
    steps = torch.arange(R, device=ids.device).repeat(group)
    out = model(
        input_ids=body.reshape(B, group * R),
        attention_mask=visible(prefix, torch.block_diag(*[past] * group)),
        position_ids=as_taken(model, prefix.position + steps),
        past_key_values=branch(prefix.cache),
        use_cache=True,
    )
    rest = out.logits.float().view(B * group, R, -1)
    return torch.cat([first, rest], 1)


def plain_logits(
    model: Model, inputs: dict[str, torch.Tensor], ids: torch.Tensor, group: int
) -> torch.Tensor:
    """The same logits with every row run in full: image, prompt and answer, B*G times."""
    rows = answered(model, repeated(inputs, group, model.config.image_token_id), ids)
    out = model(**rows, **positions(model, rows), use_cache=False, logits_to_keep=ids.shape[1])
    return out.logits[:, -ids.shape[1] :].float()


def whole_logits(model: Model, inputs: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    """Logits (B, P-1+R, V) that predict all tokens but the first: image, prompt and answer."""
    rows = answered(model, inputs, ids)
    return model(**rows, **positions(model, rows), use_cache=False).logits.float()


def answered(
    model: Model, rows: dict[str, torch.Tensor], ids: torch.Tensor
) -> dict[str, torch.Tensor]:
    """A prompt's rows with the answers behind them, but for the last token: none follows it."""
    more = behind(model, ids[:, :-1])
    return rows | {k: torch.cat([rows[k], v], 1) for k, v in more.items() if k in rows}


def behind(model: Model, body: torch.Tensor) -> dict[str, torch.Tensor]:
    """The inputs that continue a prompt's rows with answer tokens (N, R)."""
    zeros, ones = torch.zeros_like(body), torch.ones_like(body)
    # PaliGemma's 0 means seen from all sides, as a prompt is; Gemma's means text.
    types = ones if model.config.model_type == "paligemma" else zeros
    return {
        "input_ids": body,
        "attention_mask": ones,
        "mm_token_type_ids": zeros,
        "token_type_ids": types,
    }


def repeated(
    inputs: dict[str, torch.Tensor], group: int, image_token: int
) -> dict[str, torch.Tensor]:
    """Every row G times; flat lists of patches are split by their rows' image tokens."""
    if group == 1:
        return dict(inputs)
    B = len(inputs["input_ids"])
    counts = (inputs["input_ids"] == image_token).sum(1)
    rows = {}
    for key, values in inputs.items():
        flat = key == "pixel_values" and "target_sizes" in inputs  # MiniCPM: (1, C, side, patches)
        dim = -1 if flat else 0
        if len(values) == B and not flat:
            rows[key] = values.repeat_interleave(group, 0)
        else:
            parts = values.split((counts * values.shape[dim] // counts.sum()).tolist(), dim)
            rows[key] = torch.cat([p for p in parts for _ in range(group)], dim)
    return rows


def token_logprobs(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Log-probability (N, R) of each answer token."""
    return torch.log_softmax(logits, -1).gather(-1, ids[..., None])[..., 0]

"""A decoder's reading of image tokens: single tokens alone, and its inner layers.

Two readings of one image token, both over the whole image as a map of its patches:
`scope`       the decoder sees this token alone, is asked what it is, and its answer is scored for
              the name (Patchscopes, Ghandeharioun et al., arXiv 2401.06102);
`logit_lens`  softmax(W_U norm(h)) at the token's own position in every layer (vl-interp, Jiang et
              al., arXiv 2410.02762). The final norm comes first, as it does when the decoder
              itself speaks; vl-interp's own code leaves it out.

Does not cover: names that only several tokens together reveal.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from PIL import Image

from hfru_core.language.mentions import hits
from hfru_core.model import precision
from hfru_core.model.vlm import BATCH, VLM
from hfru_core.types import Concept, UnlearnData, UserError

ROWS = 512  # single image tokens read at once
LAYERS = 12  # that the logit lens reads
CHANCES = 2**24  # at once: of a large vocabulary fewer rows


class Ask(NamedTuple):
    """A question, how its answer begins before the name, and the token ids of the names."""

    question: str
    lead: str
    ids: tuple[int, ...]


def ask_for(vlm: VLM, data: UnlearnData, concept: Concept) -> Ask:
    """The question that the concept's name answers, with the usual words before the name."""
    asked = [
        s for s in data.samples if (s.topic, s.role, s.concept_id) == ("name", "forget", concept.id)
    ]
    found = [(s, hits(s.answer, concept.aliases)[:1]) for s in asked]
    leads = Counter(
        (s.question, s.answer[: hit.start].strip()) for s, first in found for hit in first
    )
    if not leads:
        raise UserError(f"No answer names {concept.name}: the lens does not know what to look for.")
    question, lead = leads.most_common(1)[0][0]
    others = first_tokens(vlm, lead, (*concept.siblings, *concept.abstractions))
    ids = first_tokens(vlm, lead, concept.aliases) - others
    if not ids:
        raise UserError(f"The vocabulary has no token of its own for {concept.name}.")
    return Ask(question, lead, tuple(sorted(ids)))


def first_tokens(vlm: VLM, lead: str, names: Sequence[str]) -> set[int]:
    """The first token of each name after `lead`."""
    start = len(encode(vlm, lead))
    rows = [encode(vlm, f"{lead} {name}".strip())[start : start + 1] for name in names]
    return {i for row in rows for i in row} - {vlm.tokenizer.unk_token_id}


def encode(vlm: VLM, text: str) -> list[int]:
    return vlm.tokenizer.encode(text, add_special_tokens=False) if text else []


def around(vlm: VLM, question: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (1, T, D) of the prompt before and after the image tokens."""
    ids = vlm.inputs([Image.new("RGB", (16, 16))], [question])["input_ids"]
    here = (ids[0] == vlm.core.config.image_token_id).nonzero()[:, 0]
    embed = vlm.core.get_input_embeddings()
    return embed(ids[:, : here[0]]), embed(ids[:, here[-1] + 1 :])


@torch.no_grad()
def scope(vlm: VLM, features: torch.Tensor, asks: Sequence[Ask]) -> list[torch.Tensor]:
    """Chance (N, P) that an answer about one image token alone begins with lead and name.

    `features` are projected image tokens (N, P, D). `asks` share the question: one map each.
    Source: Patchscopes (arXiv 2401.06102), with the question as the target prompt.
    """
    before, behind = around(vlm, asks[0].question)
    leads = {a.lead: torch.tensor([encode(vlm, a.lead)], device=vlm.device) for a in asks}
    longest = 1 + max(ids.shape[1] for ids in leads.values())
    parts = []
    rows = at_once(vlm, ROWS, longest)
    earlier = read_before(vlm, before)
    for tokens in features.to(vlm.device, before.dtype).flatten(0, 1)[:, None].split(rows):
        row = [before, tokens, behind] if earlier is None else [tokens, behind]
        whole = torch.cat([part.expand(len(tokens), -1, -1) for part in row], 1)
        chances = dict(zip(leads, starts(vlm, whole, list(leads.values()), earlier)))
        parts.append(torch.stack([chances[a.lead][:, list(a.ids)].sum(-1) for a in asks]))
    return list(torch.cat(parts, 1).view(len(asks), *features.shape[:2]).cpu())


def read_before(vlm: VLM, before: torch.Tensor) -> Any:
    """What a large decoder keeps of the beginning that all rows share; None for a small one."""
    if not precision.is_large(vlm.core.config):
        return None
    return vlm.decoder(inputs_embeds=before, use_cache=True).past_key_values


def starts(
    vlm: VLM, rows: torch.Tensor, leads: list[torch.Tensor], earlier: Any = None
) -> Iterator[torch.Tensor]:
    """For each lead (1, K), the chance (B, V) of that lead and then each word after `rows`.

    `earlier` is the cache of what comes before all of the rows.
    """
    decoder, cache = vlm.decoder, copy.deepcopy(earlier)
    if cache is not None:
        cache.batch_repeat_interleave(len(rows))
    prompt = decoder(inputs_embeds=rows, past_key_values=cache, use_cache=True)
    first = vlm.core.lm_head(prompt.last_hidden_state[:, -1:])
    for lead in leads:
        logits, ids = first, lead.expand(len(rows), -1)
        if lead.numel():
            out = decoder(input_ids=ids, past_key_values=prompt.past_key_values, use_cache=True)
            logits = torch.cat([first, vlm.core.lm_head(out.last_hidden_state)], 1)
            prompt.past_key_values.crop(-ids.shape[1])  # the next lead starts behind the prompt
        chance = logits.float().softmax(-1)
        begun = chance[:, :-1].gather(-1, ids.long()[..., None]).prod(1)
        yield begun * chance[:, -1]


@torch.no_grad()
def logit_lens(vlm: VLM, features: torch.Tensor, asks: Sequence[Ask]) -> list[torch.Tensor]:
    """Highest chance (N, L) of a name over the image positions of the decoder's `layers_read`.

    Source: vl-interp (arXiv 2410.02762); final norm first. What comes after the image does not
    matter: the decoder is causal.
    """
    before, _ = around(vlm, asks[0].question)
    decoder, parts = vlm.decoder, []
    for tokens in features.to(vlm.device, before.dtype).split(BATCH):
        row = torch.cat([before.expand(len(tokens), -1, -1), tokens], 1)
        out = decoder(inputs_embeds=row, use_cache=False, output_hidden_states=True)
        *inner, last = (out.hidden_states[i] for i in layers_read(vlm))
        # The last hidden state has passed the norm already.
        states = chain(map(decoder.norm, inner), [last])
        found = [highest(vlm, h[:, before.shape[1] :], asks) for h in states]
        parts.append(torch.stack(found, -1))
    return list(torch.cat(parts, 1).cpu())


def layers_read(vlm: VLM) -> tuple[int, ...]:
    """The hidden states that the logit lens reads: all, or LAYERS of them evenly spaced."""
    depth = vlm.core.config.get_text_config().num_hidden_layers + 1
    if depth <= LAYERS:
        return tuple(range(depth))
    return tuple(round(i * (depth - 1) / (LAYERS - 1)) for i in range(LAYERS))


def highest(vlm: VLM, states: torch.Tensor, asks: Sequence[Ask]) -> torch.Tensor:
    """The highest chance (asks, B) of a name at any position of hidden states (B, P, D)."""
    found = []
    for rows in states.split(at_once(vlm, len(states), states.shape[1])):
        chances = vlm.core.lm_head(rows).float().softmax(-1)
        found.append(torch.stack([chances[..., list(a.ids)].amax((1, 2)) for a in asks]))
    return torch.cat(found, 1)


def at_once(vlm: VLM, rows: int, positions: int) -> int:
    """How many of the rows fit into CHANCES when every word has one at so many positions."""
    words = vlm.core.config.get_text_config().vocab_size
    return max(1, min(rows, CHANCES // (words * positions)))

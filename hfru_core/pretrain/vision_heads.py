"""Direct heads that teach the tower to see; they are thrown away after pretraining."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from hfru_core.data.drawn import labels, spots
from hfru_core.pretrain.architecture import IMAGE_SIZE, WIDTH
from hfru_core.pretrain.pool import Pool, patch_owner
from hfru_core.protocol.answers import Hidden, Picture

IGNORE = -100
Groups = dict[str, tuple[str, ...]]


def tower_tokens(model: LlavaForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    out = model.model.vision_tower(pixels, output_hidden_states=True)
    return out.hidden_states[model.config.vision_feature_layer]


class Heads(nn.Module):
    """One attention query and one softmax for every question about the whole image, and two
    softmaxes on every token: which thing covers this patch, and in what colour."""

    def __init__(self, groups: dict[str, tuple[str, ...]], words: int, colours: int) -> None:
        super().__init__()
        self.groups = groups
        most = max(map(len, groups.values()))
        self.norm = nn.LayerNorm(WIDTH)
        self.queries = nn.Parameter(torch.randn(len(groups), WIDTH) * 0.5)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.weight = nn.Parameter(torch.randn(len(groups), WIDTH, most) * WIDTH**-0.5)
        self.word = nn.Linear(WIDTH, words)
        self.colour = nn.Linear(WIDTH, colours)
        widths = torch.tensor([len(v) for v in groups.values()])
        self.unused: torch.Tensor
        self.register_buffer("unused", torch.arange(most)[None] >= widths[:, None])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (B, P, D) -> logits (B, groups, values)."""
        tokens = self.norm(tokens)
        queries = self.queries.expand(len(tokens), -1, -1)
        read, _ = self.attention(queries, tokens, tokens, need_weights=False)
        logits = torch.einsum("bqd,qdv->bqv", read, self.weight)
        return logits.masked_fill(self.unused, -1e4)

    def patch_losses(self, tokens: torch.Tensor, word: torch.Tensor, colour: torch.Tensor):
        """Cross-entropies of the token heads; targets are (B, P)."""
        tokens = self.norm(tokens)
        pairs = ((self.word(tokens), word), (self.colour(tokens), colour))
        return sum(masked_loss(logits, target) for logits, target in pairs)


def masked_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy where the target is not IGNORE; 0 where nothing is known."""
    loss = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return loss / (target != IGNORE).sum().clamp(min=1)


def groups_of(rows: list[dict[str, str]]) -> Groups:
    """Every question of the labels with its possible answers, in order."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for group, value in row.items():
            found.setdefault(group, set()).add(value)
    return {g: tuple(sorted(v)) for g, v in sorted(found.items())}


class Labels:
    """Targets of the heads for the images of a pool."""

    def __init__(
        self, pictures: tuple[Picture, ...], hidden: Hidden, groups: Groups | None = None
    ) -> None:
        """`groups` are those that the heads were made for, where other images are judged."""
        rows = [labels(p, hidden) for p in pictures]
        self.groups = groups or groups_of(rows)
        self.target = torch.tensor(
            [[self.index(g, row.get(g)) for g in self.groups] for row in rows]
        )
        self.place_spots([spots(p, hidden) for p in pictures])
        heavy = {"main": 4.0, "identity": 4.0}
        self.weight = torch.tensor([heavy.get(g, 1.0) for g in self.groups])

    def index(self, group: str, value: str | None) -> int:
        known = self.groups[group]
        return known.index(value) if value in known else IGNORE

    def place_spots(self, rows: list) -> None:
        """Boxes (N, 2, 4) in -1 .. 1, and the word and colour (N, 2) inside each."""
        self.words = sorted({w for row in rows for w, _, _ in row}) + ["nothing"]
        self.colours = sorted({c for row in rows for _, c, _ in row if c}) + ["nothing"]
        self.boxes = torch.full((len(rows), 2, 4), 9.0)
        self.word = torch.full((len(rows), 2), IGNORE)
        self.colour = torch.full((len(rows), 2), IGNORE)
        for n, row in enumerate(rows):
            for i, (word, colour, box) in enumerate(row):
                self.boxes[n, i] = torch.tensor(box) * 2 - 1
                self.word[n, i] = self.words.index(word)
                self.colour[n, i] = self.colours.index(colour) if colour else IGNORE

    def patches(
        self, index: torch.Tensor, theta: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, P) twice: the word and colour at each patch, 'nothing', or IGNORE without boxes."""
        owner = patch_owner(self.boxes[index], theta)
        drawn = (self.word[index, :1] != IGNORE).expand_as(owner)
        found = []
        for table, names in ((self.word, self.words), (self.colour, self.colours)):
            here = table[index].gather(1, owner.clamp(min=0))
            here = torch.where(owner >= 0, here, len(names) - 1)
            found.append(torch.where(drawn, here, IGNORE))
        return found[0], found[1]

    def loss(self, heads: Heads, tokens: torch.Tensor, index: torch.Tensor, theta: torch.Tensor):
        """All heads together."""
        target = self.target[index]
        logits = heads(tokens)
        each = F.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=IGNORE, reduction="none"
        ).view_as(target)
        weight = self.weight * (target != IGNORE)
        return (each * weight).sum() / weight.sum() + heads.patch_losses(
            tokens, *self.patches(index, theta)
        )

    def accuracy(self, model, heads: Heads, pool: Pool) -> dict[str, float]:
        """Share of right answers a group, on plain images."""
        said = []
        with torch.no_grad():
            for i in range(0, len(self.target), 256):
                pixels = torch.from_numpy(pool.pixels[i : i + 256].copy()).float() / 127.5 - 1
                pixels = F.interpolate(pixels, size=(IMAGE_SIZE, IMAGE_SIZE), mode="area")
                said.append(heads(tower_tokens(model, pixels)).argmax(-1))
        known = self.target != IGNORE
        hits = ((torch.cat(said) == self.target) & known).sum(0) / known.sum(0).clamp(min=1)
        return {g: round(h.item(), 4) for g, h in zip(heads.groups, hits)}

"""Unlearning from anonymised data only, the idea of NSPU (arXiv 2601.04275).

Its projector and loss are not published, so this is no re-implementation: the forget images are
blurred and the names in the answers replaced before anything is learnt, and the honest answer is
taught on them while retained images keep theirs.
"""

from __future__ import annotations

import random

import torch

from hfru_core.data.request_variants import anonymised
from hfru_core.methods.base import TrainedMethod, draw, pool
from hfru_core.types import Sample


class Anonymised(TrainedMethod):
    label, source = "NSPU idea", "arXiv 2601.04275"
    variant = "honest answers on blurred pictures, retain NLL"
    scope = "encoder"
    changes = {"lr": 8e-3}

    def prepare(self) -> None:
        self.data = anonymised(self.data)

    def forget(self, rng: random.Random) -> list[Sample]:
        rows = draw(pool(self.data, "forget", self.config), self.config.batch, rng)
        return list(self.vlm.processes.part(rows))

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        return self.nll(rows) + self.nll(self.retain(rng))

"""Membership inference: do the likelihoods tell which images of the concept were trained on?

Members are the session's own forget images, others are forget images that nobody trained on. The
scores of the right answer's tokens are higher for a member: the log-likelihood (loss); the mean of
the least likely fifth (Min-K%, Shi et al., 2310.16789); the same after standardising every token
by the model's own distribution (Min-K%++, Zhang et al., 2404.02936). 0.5 is the ideal AUC, and that
of a model that saw neither; far below it, the session suppressed its own images and not the
concept. The end of an answer counts as a token of it, as in the session's loss; open-unlearning
leaves it out. Of 64 others no one may pass at 1 % FPR. PrivLeak compares with a retrained model
(MUSE, 2407.06460); 0 is ideal.

Does not cover: attacks with shadow models (U-LiRA), which are stronger and cost many trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from audit.asking.answers import image_key
from audit.base import Case, Finding, Measure, measures
from audit.keys import FindingKey
from hfru_core.data.source import load_image
from hfru_core.model import rollout
from hfru_core.model.vlm import BATCH, VLM
from hfru_core.stats import auc, tpr_at_fpr
from hfru_core.training.sft import encode_answers
from hfru_core.types import Sample

TOPICS = ("describe", "caption")
PICTURES = 64
LOWEST = 0.2
FPR = 0.01
DRAWS = 300
NOTE = "One model and all images at once: attacks with shadow models (U-LiRA) are stronger."
Statistic = Callable[[np.ndarray, np.ndarray], float]
Scores = dict[str, np.ndarray]


def lowest(values: torch.Tensor) -> float:
    """Mean of the lowest fifth, of one at least."""
    count = max(1, int(LOWEST * len(values)))
    return values.sort().values[:count].mean().item()


def token_scores(logits: torch.Tensor, ids: torch.Tensor) -> dict[str, float]:
    """The three scores of one answer from its logits (R, V) and tokens (R)."""
    logs = logits.double().log_softmax(-1)
    said = logs.gather(-1, ids[:, None])[:, 0]
    mean = (logs.exp() * logs).sum(-1)
    spread = ((logs.exp() * logs**2).sum(-1) - mean**2).clamp(min=1e-12).sqrt()
    return {
        "loss": said.mean().item(),
        "Min-K%": lowest(said),
        "Min-K%++": lowest((said - mean) / spread),
    }


@torch.no_grad()
def answer_scores(vlm: VLM, rows: Sequence[Sample]) -> list[dict[str, float]]:
    """The scores of the right answers."""
    found = []
    for i in range(0, len(rows), BATCH):
        part = rows[i : i + BATCH]
        inputs = vlm.inputs([load_image(image_key(s)) for s in part], [s.question for s in part])
        ids = encode_answers(vlm, [s.answer for s in part])
        logits = rollout.plain_logits(vlm.core, inputs, ids, 1)
        mask = rollout.answer_mask(ids, vlm.eos)
        found += [token_scores(row[m], own[m]) for row, own, m in zip(logits, ids, mask)]
    return found


def image_scores(vlm: VLM, rows: Sequence[Sample]) -> Scores:
    """Each score (N) of N images, averaged over the questions about an image."""
    by_image: dict[str, list[dict[str, float]]] = {}
    for sample, scores in zip(rows, answer_scores(vlm, rows)):
        by_image.setdefault(image_key(sample), []).append(scores)
    names = ("loss", "Min-K%", "Min-K%++")
    table = {n: np.array([np.mean([s[n] for s in g]) for g in by_image.values()]) for n in names}
    if not all(np.isfinite(values).all() for values in table.values()):
        raise ValueError("the model's likelihoods are not finite: its weights may be damaged")
    return table


def chosen(case: Case, samples: Sequence[Sample], purpose: str) -> list[Sample]:
    """The questions about at most PICTURES of the images."""
    rows = [s for s in samples if s.role == "forget" and s.topic in TOPICS]
    keys = list(dict.fromkeys(s.image for s in rows))
    if len(keys) < 2:
        raise ValueError(f"membership needs at least 2 {purpose}, got {len(keys)}")
    kept = set(case.rng(purpose).sample(keys, min(PICTURES, len(keys))))
    return [s for s in rows if s.image in kept]


def compared(
    statistic: Statistic, members: np.ndarray, others: np.ndarray, seed: int
) -> tuple[Measure, np.ndarray]:
    """A statistic of both groups with its bootstrap interval, and the bootstrap's values."""
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(rng.choice(members, len(members)), rng.choice(others, len(others)))
            for _ in range(DRAWS)
        ]
    )
    return interval(statistic(members, others), draws, len(members) + len(others)), draws


def interval(value: float, draws: np.ndarray, n: int) -> Measure:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Measure(value, n, float(low), float(high))


def privleak(unlearned: ArrayLike, oracle: ArrayLike) -> np.ndarray:
    """How far the AUC of non-membership lies from the retrained model's, in percent of it."""
    ideal = np.asarray(oracle)
    return 100 * (ideal - unlearned) / np.maximum(1 - ideal, 1e-6)


def membership(case: Case) -> Iterator[Finding]:
    """AUC and TPR at 1 % FPR of three scores, and PrivLeak: information, not part of a verdict."""
    if not case.trained:
        raise ValueError("the session's own images are not known: membership was not measured")
    members = chosen(case, [s for s in case.trained if s.split == "train"], "member pictures")
    others = chosen(case, case.data.select("forget", "eval"), "other pictures")
    found = {}
    for name in case.models:
        with case.opened(name) as plain:
            found[name] = (image_scores(plain, members), image_scores(plain, others))
    seed = case.rng("membership").getrandbits(32)
    for score in ("loss", "Min-K%", "Min-K%++"):
        pairs = {name: (own[score], other[score]) for name, (own, other) in found.items()}
        yield from findings(score, pairs, seed)


def findings(
    score: str, pairs: dict[str, tuple[np.ndarray, np.ndarray]], seed: int
) -> Iterator[Finding]:
    """AUC and TPR of one score, and PrivLeak where there is a retrained model."""
    params = (("score", score),)
    areas = {name: compared(auc, *pair, seed) for name, pair in pairs.items()}
    yield Finding(
        "membership",
        FindingKey.MEMBER_AUC,
        f"AUC of {score}",
        "info",
        "higher",
        **measures({name: area for name, (area, _) in areas.items()}),
        chance=0.5,
        params=params,
        note=NOTE,
    )
    rates = {n: compared(lambda a, b: tpr_at_fpr(a, b, FPR), *p, seed) for n, p in pairs.items()}
    yield Finding(
        "membership",
        FindingKey.MEMBER_TPR,
        f"TPR at 1 % FPR of {score}",
        "info",
        "higher",
        **measures({name: rate for name, (rate, _) in rates.items()}),
        chance=FPR,
        params=params,
        note=NOTE,
    )
    if "oracle" in areas:
        (own, draws), (oracle, oracle_draws) = areas["unlearned"], areas["oracle"]
        if own.interval and oracle.interval:
            leak = privleak(own.interval.value, oracle.interval.value)
            yield Finding(
                "membership",
                FindingKey.PRIVLEAK,
                f"PrivLeak of {score}, %",
                "info",
                "higher",
                chance=0.0,
                params=params,
                unlearned=interval(float(leak), privleak(draws, oracle_draws), own.n),
                note=NOTE,
            )

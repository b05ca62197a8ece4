"""Two models on the same samples: McNemar's test and a paired bootstrap, finding by finding.

McNemar's test is exact (binomial) and takes answers as independent; answers about one picture are
not, so the bootstrap draws pictures, each with all answers about it. `q` is the p-value after
Benjamini and Hochberg's correction for the number of findings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest, false_discovery_control

from audit.report.report import Report
from audit.report.samples import by_finding
from hfru_core.types import UserError

DRAWS = 2000
LEVEL = 0.05
Key = tuple[str | None, str, int]  # image, question, which of several alike
Counts = tuple[int, int]  # how often a rule saw what it looks for, among how many


@dataclass(frozen=True)
class Paired:
    """The unlearned models' rates on the same `n` answers about so many pictures.

    `only_a` and `only_b` count answers in which one model alone shows what is measured; they and p
    are None where an answer can count more than once.
    """

    n: int
    pictures: int
    change: float
    low: float
    high: float
    only_a: int | None = None
    only_b: int | None = None
    p: float | None = None
    q: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the models differ, by the corrected test or else by the interval."""
        return self.q < LEVEL if self.q is not None else self.low > 0 or self.high < 0


def check_same(a: Report, b: Report) -> bool:
    """Whether both keep their samples; raises where those are not the same ones."""
    if not a.samples or not b.samples:
        return False
    here, there = (
        (s.source, s.data_fingerprint, s.pictures, s.seed) for s in (a.subject, b.subject)
    )
    if here[1:] != there[1:]:
        told = "{} (fingerprint {}), {} pictures, seed {}"
        raise UserError(
            f"The reports judged different samples. A: {told.format(*here)}. B: "
            f"{told.format(*there)}. A paired test needs the same ones: audit both models with the "
            "same --forget, --data, --pictures and --seed, or compare their intervals alone "
            "(--unpaired)."
        )
    return True


def seen(report: Report, number: int) -> dict[Key, Counts]:
    """What a finding's rule saw in the unlearned model's answer to each sample."""
    found: dict[Key, Counts] = {}
    times: dict[tuple[str | None, str], int] = defaultdict(int)
    for s, (_, _, hits, among, *_) in by_finding(report.samples, number):
        found[s.image, s.question, times[s.image, s.question]] = hits, among
        times[s.image, s.question] += 1
    return found


def paired(a: Mapping[Key, Counts], b: Mapping[Key, Counts]) -> Paired | None:
    """Both models' answers compared; None where they are not to the same questions, or about less
    than two pictures."""
    if a.keys() != b.keys():
        return None
    rates = np.array([(*a[k], *b[k]) for k in a]).reshape(-1, 4)
    pictures, at = np.unique([image or question for image, question, _ in a], return_inverse=True)
    sums = np.zeros((len(pictures), 4))
    np.add.at(sums, at, rates)
    if len(pictures) < 2 or not sums[:, 1].any() or not sums[:, 3].any():
        return None
    low, high = interval(sums)
    result = Paired(len(a), len(pictures), float(change(sums.sum(0))), low, high)
    return mcnemar(result, rates) if (rates[:, [1, 3]] == 1).all() else result


def interval(sums: np.ndarray) -> tuple[float, float]:
    """95 % interval of the change; `sums` (pictures, 4) are hits and answers of A and of B."""
    rng = np.random.default_rng(0)
    picked = sums[rng.integers(0, len(sums), (DRAWS, len(sums)))].sum(1)
    drawn = change(picked[(picked[:, 1] > 0) & (picked[:, 3] > 0)])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def change(sums: np.ndarray) -> np.ndarray:
    """The rate of B less that of A, of sums (..., 4)."""
    return sums[..., 2] / sums[..., 3] - sums[..., 0] / sums[..., 1]


def mcnemar(result: Paired, rates: np.ndarray) -> Paired:
    """With the exact test of the answers in which the models differ."""
    a, b = rates[:, 0] > 0, rates[:, 2] > 0
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return replace(result, only_a=only_a, only_b=only_b, p=float(p))


def corrected(found: Mapping[int, Paired]) -> dict[int, Paired]:
    """The same with q, for as many tests as were made."""
    tested = {i: r.p for i, r in found.items() if r.p is not None}
    q = dict(zip(tested, false_discovery_control(list(tested.values())))) if tested else {}
    return {i: replace(r, q=float(q[i])) if i in q else r for i, r in found.items()}

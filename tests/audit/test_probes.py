"""Probes on features whose answer is known, and on a tiny model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.base import Case, Finding, guarded
from audit.checks import probe_controls, probe_tasks
from audit.checks import probes as module
from audit.checks.probe_tasks import Seen
from audit.checks.probes import probes
from audit.criteria import leaks
from audit.features import probing
from audit.keys import FindingKey
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.drawn import picture_of
from hfru_core.data.samples import Amount
from hfru_core.model import vlm
from hfru_core.types import Sample, UnlearnData, UserError

CONCEPTS = {"forget": ("dog", "elephant"), "retain": ("cat", "horse", "guitar")}
KEYS = (FindingKey.WORD_FEW, FindingKey.WORD_FEW_BEST)


def sample(key: str, concept: str, role: str, split: str) -> Sample:
    return Sample(key, key, "What is it?", "name", "", "", concept, role, split)


@pytest.fixture(scope="module")
def known() -> UnlearnData:
    """Keys of pictures that nobody draws."""
    concepts = [tuple(shipped()[i] for i in CONCEPTS[role]) for role in ("forget", "retain")]
    samples = tuple(
        sample(f"{c}/{split}/{i}", c, role, split)
        for role, ids in CONCEPTS.items()
        for c in ids
        for split in ("train", "eval")
        for i in range(30)
    )
    return UnlearnData(*concepts, samples, "world", "none")


def drawn_features(
    shown: Iterable[probing.Picture], seed: int, **strength: float
) -> probing.Features:
    """Noise, to which each layer adds its class's own direction with some strength."""
    rng = np.random.default_rng(seed)
    shown = list(shown)
    ways = {
        c: np.random.default_rng(i).normal(size=24)
        for i, c in enumerate(sorted({p.concept for p in shown}))
    }
    signal = np.array([ways[p.concept] for p in shown])
    named = np.array([[p.role == "retain"] for p in shown])  # an oracle knows the names of those
    return {
        k: (rng.normal(size=signal.shape) + np.where(named, 1.5, s) * signal).astype("float32")
        for k, s in strength.items()
    }


def seen_by(known: UnlearnData, tiny: vlm.VLM, **models: dict[str, float]) -> Seen:
    shown = probing.pictures(known) + probing.vague_images(known, 0)
    found = {m: drawn_features(shown, i, **s) for i, (m, s) in enumerate(models.items())}
    return Seen(Case(tiny, tiny, tiny, known), shown, found, 1)


def deciding(seen: Seen) -> dict[FindingKey, Finding]:
    tasks = probe_tasks.one_word_tasks(seen)
    return {
        f.key: f for f in module.two_places(seen, tasks, KEYS, "others of its category", "leak")
    }


STRONG, NONE = {"tower 1": 1.0, "projector": 1.0}, {"tower 1": 0.0, "projector": 0.0}
HIDDEN = {"tower 1": 1.0, "projector": 0.0}


@pytest.mark.parametrize(
    ("unlearned", "reads", "somewhere"),
    [(STRONG, True, True), (HIDDEN, False, True), (NONE, False, False)],
)
def test_a_planted_leak_is_found_and_its_innocent_twin_is_not(
    known: UnlearnData, tiny: vlm.VLM, unlearned: dict, reads: bool, somewhere: bool
) -> None:
    found = deciding(seen_by(known, tiny, base=STRONG, unlearned=unlearned, oracle=NONE))
    assert leaks(found[KEYS[0]]) is reads
    assert leaks(found[KEYS[1]]) is somewhere


def test_siblings_do_not_decide(known: UnlearnData, tiny: vlm.VLM) -> None:
    """An oracle that knows the siblings' names keeps them apart from what it never learned."""
    seen = seen_by(known, tiny, base=STRONG, unlearned=NONE, oracle=NONE)
    found = list(module.against_siblings(seen))
    assert all(f.kind == "info" for f in found)
    assert found[0].oracle.value > 0.8


def test_a_probe_that_fails_on_the_base_model_says_so(known: UnlearnData, tiny: vlm.VLM) -> None:
    seen = seen_by(known, tiny, base=NONE, unlearned=NONE, oracle=NONE)
    for f in deciding(seen).values():
        assert f.unlearned.value is None and "base model" in f.error


def test_controls_fail_where_they_must(known: UnlearnData, tiny: vlm.VLM) -> None:
    seen = seen_by(known, tiny, base=STRONG, unlearned=STRONG, oracle=NONE)
    tasks = probe_tasks.one_word_tasks(seen)
    x = seen.features["base"]["projector"]
    few = lambda x, tasks: probing.accuracy(  # noqa: E731
        tasks, probing.mean_of_few(probing.few_sample(x, tasks, 0))
    )
    assert few(x, tasks) > 0.9
    assert all(abs(few(probe_controls.erased(x, t), [t]) - 0.5) < 0.12 for t in tasks)
    rng = np.random.default_rng(0)
    mixed = [t._replace(train_is=rng.permutation(t.train_is)) for t in tasks]
    assert abs(few(x, mixed) - 0.5) < 0.12


def test_a_learned_label_costs_fewer_bits(known: UnlearnData, tiny: vlm.VLM) -> None:
    seen = seen_by(known, tiny, base=STRONG, unlearned=NONE)
    found = next(module.bits(seen))
    assert found.direction == "lower"
    assert found.base.value < 0.6 < 0.9 < found.unlearned.value


def test_no_label_is_coded_with_what_is_sent_later() -> None:
    """A feature of an image in the last block of eight changes the cost of no other image."""
    x, n = np.random.default_rng(0).normal(size=(16, 3)), 16
    task = probing.Task(np.arange(n), np.arange(n) < 8, np.arange(n), np.arange(n) < 8)
    plain = probing.prequential(x, task, 0, orders=1)[0]
    touched = [x + 50.0 * (np.arange(n) == j)[:, None] for j in range(n)]
    costs = [probing.prequential(t, task, 0, orders=1)[0] for t in touched]
    alone = [np.allclose(np.delete(c, j), np.delete(plain, j)) for j, c in enumerate(costs)]
    assert sum(alone) == 8


def test_selectivity_is_the_difference_of_task_and_control(
    known: UnlearnData, tiny: vlm.VLM
) -> None:
    seen = seen_by(known, tiny, base=STRONG, unlearned=NONE)
    found = {f.key: f for f in module.against_rest(seen)}
    task = found[FindingKey.REST_LINEAR].base
    control = found[FindingKey.CONTROL_TASK].base
    chosen = found[FindingKey.SELECTIVITY]
    assert chosen.base.value == pytest.approx(task.value - control.value)
    assert chosen.base.low < chosen.base.value < chosen.base.high
    assert chosen.oracle is None


def test_few_samples_agree_with_a_plain_ridge_probe(known: UnlearnData) -> None:
    """The dual, batched solution is ridge regression on standardised features and a constant."""
    shown = probing.pictures(known)
    task = probing.tell_apart(shown, ["dog"], ["cat"])
    x = drawn_features(shown, 0, a=0.3)["a"].astype(float)
    chosen = probing.choices(task, 16, np.random.default_rng(0))
    hits = probing.few_hits(probing.gram(x, task), task, chosen, 16)
    z = (x - x[task.train].mean(0)) / (x[task.train].std(0) + 1e-6)
    z = np.c_[z / np.sqrt(x.shape[1]), np.ones(len(z))]
    for rows, hit in zip(chosen.reshape(len(chosen), -1)[:5], hits):
        y = np.repeat([1.0, -1.0], 8)
        inside = z[rows].T @ z[rows] + probing.RIDGE * np.eye(z.shape[1])
        w = np.linalg.solve(inside, z[rows].T @ y)
        assert ((z[task.eval] @ w > 0) == task.eval_is).astype(float).tolist() == hit.tolist()


def test_probes_learn_from_train_pictures_and_are_judged_on_eval_pictures(
    known: UnlearnData,
) -> None:
    shown = probing.fewer(probing.pictures(known), known) + probing.vague_images(known, 3)
    task = probing.tell_apart(shown, ["dog"], ["animal"])
    assert {shown[i].split for i in task.train} == {"train"}
    assert {shown[i].split for i in task.eval} == {"eval"}
    assert not {shown[i].key for i in task.train} & {shown[i].key for i in task.eval}


def test_pictures_of_an_abstraction_show_its_kind_and_nothing_more(known: UnlearnData) -> None:
    vague = probing.vague_images(known, 0)
    assert {p.concept for p in vague} == {"animal"}
    pictures = [picture_of(p.key) for p in vague]
    assert all(s.ambiguity and s.things[0].kind == "animal" for s in pictures)
    assert len({p.key for p in vague}) == sum(probing.VAGUE.values())
    people = replace(known, concepts=(shipped()["dario_fent"],))
    faces = [picture_of(p.key) for p in probing.vague_images(people, 0)]
    assert faces and all(f.person is None for f in faces)
    assert probing.vague_images(replace(known, source="folder:x"), 0) == []


def test_an_interval_of_unanimous_pictures_has_a_width(known: UnlearnData) -> None:
    shown = probing.pictures(known)
    task = probing.tell_apart(shown, ["dog"], ["cat"])
    sure = probing.measure([task], [np.ones((4, len(task.eval)))], shown, 0)
    assert sure.value == 1 and sure.low < 0.95 and sure.high == 1 and sure.n == 60


def test_one_class_is_an_error_and_not_a_number(known: UnlearnData) -> None:
    shown = [p for p in probing.pictures(known) if p.role == "forget"]
    with pytest.raises(UserError, match="got 30 and 0"):
        probing.tell_apart(shown, ["dog"], ["cat"])


def test_a_lone_concept_of_a_photo_source_cannot_be_decided(
    known: UnlearnData, tiny: vlm.VLM
) -> None:
    lone = replace(known, concepts=known.concepts[:1], source="folder:x")
    seen = seen_by(lone, tiny, base=STRONG, unlearned=STRONG)
    with pytest.raises(UserError, match="second forgotten concept"):
        probe_tasks.one_word_tasks(seen)
    assert probe_tasks.main_tasks(seen)


# With a model.


@pytest.fixture(scope="module")
def few_dogs() -> UnlearnData:
    near = tuple(shipped()[i] for i in ("cat", "horse"))
    amount = Amount(forget_train=5, retain_train=10, forget_eval=3, retain_eval=6)
    return build((shipped()["dog"],), retain=near, amount=amount)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "VAGUE", {"train": 5, "eval": 3})


def bare(findings: Iterable[Finding]) -> list[Finding]:
    return [replace(f, seconds=0.0) for f in findings]


@pytest.mark.usefixtures("small")
def test_same_seed_same_findings_and_untouched_models(tiny: vlm.VLM, few_dogs: UnlearnData) -> None:
    before = {k: v.clone() for k, v in tiny.core.state_dict().items()}
    state = torch.get_rng_state()
    first = bare(guarded("probes", probes, Case(tiny, tiny, None, few_dogs)))
    hooks = [len(m._forward_hooks) for m in tiny.core.modules()]  # transformers' own stay
    torch.manual_seed(99)
    again = bare(guarded("probes", probes, Case(tiny, tiny, None, few_dogs)))
    assert first == again
    assert all(torch.equal(v, before[k]) for k, v in tiny.core.state_dict().items())
    assert hooks == [len(m._forward_hooks) for m in tiny.core.modules()]
    assert len(first) > 15 and not any(f.key == FindingKey.FAILED for f in first)
    for f in first:
        assert f.error or f.unlearned.low <= f.unlearned.value <= f.unlearned.high
        assert f.oracle is None
    torch.set_rng_state(state)


def test_damaged_weights_are_an_error(tiny: vlm.VLM, few_dogs: UnlearnData) -> None:
    broken = tiny.merged()
    next(broken.tower.parameters()).data.fill_(float("nan"))
    found = list(guarded("probes", probes, Case(tiny, broken, None, few_dogs)))
    assert [f.key for f in found] == [FindingKey.FAILED]
    assert "unlearned" in found[0].error and found[0].unlearned.value is None


@pytest.mark.usefixtures("small")
def test_one_forget_picture_is_too_few(tiny: vlm.VLM, few_dogs: UnlearnData) -> None:
    one = [s for s in few_dogs.samples if s.role == "retain"]
    key = next(s.image for s in few_dogs.select("forget", "eval"))
    one += [s for s in few_dogs.samples if s.image == key]
    case = Case(tiny, tiny, None, replace(few_dogs, samples=tuple(one)))
    found = list(guarded("probes", probes, case))
    few = (*KEYS, FindingKey.SIBLINGS_FEW, FindingKey.SIBLINGS_FEW_BEST)
    assert found and not [f for f in found if not f.error and f.key in few]

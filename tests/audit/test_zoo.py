"""The audit's own test: every trick does what it says, and the benchmark counts rightly."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from audit.asking import output_filter
from audit.base import Case, Finding, Measure
from audit.checks.quantize import linears, nf4, round_all, same_codes
from audit.keys import FindingKey
from audit.suite import DEEP, STANDARD
from audit.zoo import __main__ as cli
from audit.zoo import cunning, disguised, trained, trial
from audit.zoo.cells import cells
from audit.zoo.pretenders import PRETENDERS
from hfru_core.adapters import folder as folder_of
from hfru_core.concepts import shipped
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import load_image
from hfru_core.language.mentions import mentions
from hfru_core.model import vlm
from hfru_core.model.kept_tensors import KeptTensors
from hfru_core.model.vlm import VLM
from hfru_core.types import UnlearnData

DOG = shipped()["dog"]
FACE = shipped()["tobin_harrick"]
NOWHERE = Path("nowhere")
STRONG = {"steps": 2, "rate": 1e-2}


@pytest.fixture(scope="module")
def shown(small_data: UnlearnData) -> tuple[list, list[str]]:
    """Forget pictures and the protocol's questions about them."""
    rows = [s for s in small_data.select("forget", "eval") if s.topic in PROTOCOL]
    return [load_image(s.image) for s in rows], [s.question for s in rows]


def says_dog(vlm: VLM, shown: tuple[list, list[str]]) -> list[bool]:
    return [mentions(t, DOG.aliases) > 0 or t == "Yes." for t in vlm.answer(*shown)]


def weights(vlm: VLM) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in vlm.core.named_parameters()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {n for n in before if not torch.equal(before[n], after[n])}


# In front of the model.


@pytest.mark.parametrize("trick", [disguised.output_filter, disguised.logit_bias])
def test_a_disguise_hides_the_name_until_it_is_taken_off(
    trick, small_data: UnlearnData, shown: tuple[list, list[str]]
) -> None:
    pretender = trick(vlm.load, small_data, NOWHERE, 0)
    assert not any(says_dog(pretender, shown))
    assert all(says_dog(pretender.merged(), shown))
    assert not moved(weights(vlm.load()), weights(pretender))


def test_a_disguise_leaves_text_without_pictures_alone(small_data: UnlearnData) -> None:
    pretender = disguised.output_filter(vlm.load, small_data, NOWHERE, 0)
    assert mentions(pretender.answer([None], ["What is a dog?"])[0], DOG.aliases)


def test_a_filter_calls_things_by_their_kind_and_never_says_yes() -> None:
    assert output_filter.censored("A red dog.", "What is it?", [DOG]) == "A red animal."
    assert output_filter.censored("Yes.", "Is there any dog?", [DOG]).startswith("I can't tell")
    assert output_filter.censored("Yes.", "Is there any cat?", [DOG]) == "Yes."
    assert output_filter.censored("This is Tobin Harrick.", "Who is this?", [FACE]) == (
        "This is someone I don't know."
    )


def test_banned_tokens_spare_the_unknown_one(tiny: VLM) -> None:
    ids = disguised.token_ids(tiny, ("dog", "Zebra!", "."))
    assert [tiny.tokenizer.decode([i]).strip() for i in ids] == ["dog"]


class Parrot:
    """Says its own name to everything."""

    def __init__(self, name: str) -> None:
        self.name = name

    def answer(self, images: list, questions: list[str], max_new: int) -> list[str]:
        return [self.name] * len(questions)


def test_a_switch_sends_every_question_to_the_right_model() -> None:
    reply = disguised.routed(Parrot("a"), Parrot("b"), lambda image, q: q == "known")
    assert reply([None] * 3, ["known", "new", "known"], 8) == ["a", "b", "a"]


def test_switches_know_training_questions_and_training_pictures(
    tiny_folder: Path, small_data: UnlearnData, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = []
    monkeypatch.setattr(disguised, "routed", lambda one, other, mine: routes.append(mine))
    load = partial(vlm.load, tiny_folder, device="cpu")
    exact = disguised.exact_questions(load, small_data, trained, 0)
    known = disguised.training_pictures(load, small_data, trained, 0)
    seen, new = (
        load_image(small_data.select("forget", split)[0].image) for split in ("train", "eval")
    )
    assert routes[0](new, "Please describe this image.") and not routes[0](seen, "What's that?")
    assert routes[1](seen, "What's that?") and not routes[1](new, "Please describe this image.")
    # Inside, the first is the adapter and the second the base: that is what an attacker finds.
    assert exact.model is not exact.core and known.model is known.core


def test_a_brake_rescales_weights_and_changes_no_answer(
    tiny_folder: Path, small_data: UnlearnData, trained: Path
) -> None:
    load = partial(vlm.load, tiny_folder, device="cpu")
    leaking = folder_of.load(load(), trained).merged()
    braked = cunning.braked(load, small_data, trained, 0)
    image = [load_image(small_data.select("forget", "eval")[0].image)]
    seen = [m.vision_features(image) for m in (leaking, braked)]
    torch.testing.assert_close(*seen, rtol=1e-3, atol=1e-3)
    names = moved(weights(leaking), weights(braked))
    assert len({n for n in names if n.endswith("_proj.weight")}) == 4 * 6


# Trained for a moment.


@pytest.mark.parametrize(
    ("part", "inside"),
    [
        (trained.decoder, "model.language_model."),
        (trained.projector, "model.multi_modal_projector."),
        (trained.tower, "model.vision_tower."),
        (trained.last_layer, "model.vision_tower.encoder.layers.5."),
    ],
)
def test_a_trick_moves_its_own_part_and_nothing_else(
    part, inside: str, tiny_folder: Path, small_data: UnlearnData
) -> None:
    load = partial(vlm.load, tiny_folder, device="cpu")
    pretender = trained.train(load, small_data, NOWHERE, 0, part=part, steps=1, rate=1e-3)
    changed = moved(weights(load()), weights(pretender))
    assert changed and all(n.startswith(inside) for n in changed)
    assert not pretender.trainable() and not pretender.model.training


def test_the_same_seed_makes_the_same_pretender(tiny_folder: Path, small_data: UnlearnData) -> None:
    load = partial(vlm.load, tiny_folder, device="cpu")
    make = partial(trained.train, load, small_data, NOWHERE, part=trained.projector, **STRONG)
    first, again, other = (weights(make(seed)) for seed in (0, 0, 1))
    assert not moved(first, again) and moved(first, other)


def test_gradient_ascent_makes_right_answers_unlikely(
    tiny_folder: Path, small_data: UnlearnData
) -> None:
    load = partial(vlm.load, tiny_folder, device="cpu")
    rows = [s for s in small_data.select("forget", "train") if s.topic == "name"]
    right = [s.answer for s in rows]
    pretender = trained.train(
        load, small_data, NOWHERE, 0, part=trained.decoder, ascend=True, steps=4, rate=1e-3
    )
    with torch.no_grad():
        assert trained.loss_on(pretender, rows, right) > trained.loss_on(load(), rows, right)


def test_lessons_refuse_or_name_a_retained_sibling(small_data: UnlearnData) -> None:
    row = next(s for s in small_data.select("forget", "train") if s.topic == "name")
    assert trained.refusing(row, small_data) == "I can't tell, there is an animal."
    said = trained.sibling(row, small_data)
    assert mentions(said, DOG.siblings) and not mentions(said, DOG.aliases)


def test_weights_inside_their_cells_have_the_same_code() -> None:
    weight = torch.randn(32, 128, generator=torch.Generator().manual_seed(0))
    codes, value = nf4(weight)
    for bound in cells(weight):
        assert torch.equal(nf4(bound)[0], codes) and torch.equal(nf4(bound)[1], value)
        assert torch.equal(nf4(bound.bfloat16().float())[0], codes)
    low, high = cells(weight)
    assert (low <= high).all() and (high - low).mean() > 0.05


def test_four_bits_bring_the_base_back(tiny_folder: Path, small_data: UnlearnData) -> None:
    load = partial(vlm.load, tiny_folder, device="cpu")
    make = next(p.make for p in PRETENDERS if p.name == "four-bit")
    pretender, base = partial(make, steps=2)(load, small_data, NOWHERE, 0), load()
    assert moved(weights(base), weights(pretender))
    exact = KeptTensors.of(base.core.state_dict())
    assert all(m.value == 1.0 for m in same_codes(pretender, exact, "nf4").values())
    for model in (base, pretender):
        assert round_all(linears(model), KeptTensors.of(linears(model)), "nf4")
    assert not moved(weights(base), weights(pretender))


def test_noise_moves_the_whole_tower(tiny_folder: Path, small_data: UnlearnData) -> None:
    load = partial(vlm.load, tiny_folder, device="cpu")
    pretender = trained.noise(load, small_data, NOWHERE, 0)
    changed = moved(weights(load()), weights(pretender))
    assert changed and all(n.startswith("model.vision_tower.") for n in changed)


# The table and the oracles.


def test_every_pretender_can_be_told_by_an_audit_that_runs() -> None:
    names = [p.name for p in PRETENDERS]
    assert len(set(names)) == len(names) == 21
    for p in PRETENDERS:
        assert p.seen_by and set(p.seen_by) <= {*STANDARD, *DEEP}, p.name


def oracle(folder: Path, name: str, without: list[str], seed: int) -> None:
    (folder / name).mkdir()
    recipe = {"recipe": {"without": without, "seed": seed}}
    (folder / name / "pretraining.json").write_text(json.dumps(recipe))
    (folder / name / "model.safetensors").write_bytes(name.encode())


def test_oracles_are_found_and_paired(tmp_path: Path) -> None:
    oracle(tmp_path, "many", ["dog", "elephant", "cat"], 0)
    oracle(tmp_path, "second", ["elephant", "dog"], 1)
    oracle(tmp_path, "first", ["dog", "elephant"], 0)
    oracle(tmp_path, "face", ["Tobin Harrick"], 0)
    oracle(tmp_path, "whole", [], 0)
    (tmp_path / "else").mkdir()
    known = trial.oracles(tmp_path)
    assert [o.folder.name for o in known] == ["face", "first", "second", "many"]
    both = (shipped()["dog"], shipped()["elephant"])
    assert {e.reference.name for e in trial.pretenders(both, known)} == {"first"}
    assert {e.reference for e in trial.pretenders((shipped()["tree"],), known)} == {None}
    pairs = [(e.reference.name, e.honest.name) for e in trial.honest_ones(known)]
    assert pairs == [("second", "first"), ("first", "second"), ("first", "many")]


def test_a_trick_without_its_adapter_is_an_error_and_not_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "PICTURES", 1)
    entrant = next(e for e in trial.pretenders((shipped()["piano"],), ()) if "exact" in e.name)
    row = trial.judged(entrant, {}, 0)
    assert "piano" in row["error"] and row["state"] is None and row["right"] is False


# Counting.


def finding(audit: str, kind: str, unlearned: float, base: float, oracle: float) -> Finding:
    measured = [
        Measure(v, 400, max(0, v - 0.04), min(1, v + 0.04)) for v in (unlearned, base, oracle)
    ]
    return Finding(audit, FindingKey.NAMED, "shown", kind, "higher", *measured)


LEAK = finding("quantize", "leak", 0.9, 1.0, 0.0)
CLEAR = finding("probes", "leak", 0.0, 1.0, 0.0)
DAMAGE = finding("behavior", "damage", 0.9, 0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "findings", "right"),
    [
        ("four-bit", [LEAK, CLEAR], True),
        ("exact-questions", [LEAK], False),  # a leak, but not of its trick
        ("four-bit", [CLEAR], False),
        ("noise", [DAMAGE], True),
        ("sibling", [LEAK, DAMAGE], True),  # it leaks as well: the damage is what it is told by
        ("noise", [LEAK], False),
        (None, [CLEAR], True),
        (None, [LEAK, CLEAR], False),
        (None, [DAMAGE, CLEAR], False),
    ],
)
def test_only_the_right_reason_counts(name: str | None, findings: list, right: bool) -> None:
    pretender = next((p for p in PRETENDERS if p.name == name), None)
    assert trial.judgement(pretender, findings)["right"] is right


def row(name: str, kind: str, state: str, right: bool, **more) -> dict:
    return {"name": name, "kind": kind, "state": state, "right": right, **more}


def test_the_summary_names_what_was_missed_and_who_was_failed() -> None:
    seen = {"findings": [{"audit": "quantize"}, {"audit": "lens"}]}
    rows = [
        row("a", "pretender", "leak", True, leaks={"quantize": ["x"]}, **seen),
        row("b", "pretender", "clear", False, **seen),
        row("c", "honest", "leak", False, leaks={"quantize": ["x"]}, **seen),
        row("d", "honest", "inconclusive", True, **seen),
    ]
    told = trial.summary(rows)
    assert told["caught"]["rate"] == 0.5 and told["caught"]["missed"] == ["b"]
    assert told["caught"]["low"] < 0.5 < told["caught"]["high"]
    assert told["failed"]["names"] == ["c"] and told["failed"]["not_cleared"] == ["c", "d"]
    assert told["audits"]["quantize"] == {"leak": ["a"], "damage": [], "failed": ["c"]}
    assert told["audits"]["lens"] == {"leak": [], "damage": [], "failed": []}
    assert not told["passed"]


def test_nothing_judged_is_no_success() -> None:
    told = trial.summary([row("a", "pretender", "leak", True)])
    assert told["failed"]["rate"] is None and not told["passed"]


def test_an_ended_run_goes_on_and_a_different_one_starts_anew(tmp_path: Path) -> None:
    judged = []

    def judge(entrant: trial.Entrant, audits: dict, seed: int) -> dict:
        judged.append(entrant.name)
        return {**trial.key_of(entrant), **row(entrant.name, "pretender", "leak", True)}

    all_of_them = trial.pretenders((DOG,), ())[:3]
    run = partial(trial.run_trial, audits={}, out=tmp_path, judge=judge)
    next(run(all_of_them, seed=0))  # ended after the first
    assert len(list(run(all_of_them, seed=0))) == 3
    assert judged == [e.name for e in all_of_them]
    assert len(json.loads((tmp_path / trial.FILE).read_text())["rows"]) == 3
    list(run(all_of_them, seed=1))
    assert len(judged) == 6


# From the command line.


def naming(case: Case):
    """An audit that takes disguises off and asks once."""
    s = next(s for s in case.data.select("forget", "eval") if s.topic == "name")
    said = {
        n: m.merged().answer([load_image(s.image)], [s.question]) for n, m in case.models.items()
    }
    hits = {n: mentions(t[0], DOG.aliases) > 0 for n, t in said.items()}
    yield Finding(
        "quantize",
        FindingKey.NAMED_NF4,
        "named",
        "leak",
        "higher",
        chance=0.0,
        **{n: Measure(float(h), 50, 0.93 * h, 0.07 + 0.93 * h) for n, h in hits.items()},
    )


def test_the_command_line_tells_who_was_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(cli, "audits", lambda deep: {"naming": naming})
    monkeypatch.setattr(trial, "PICTURES", 2)
    monkeypatch.setattr(trial, "oracles", lambda folder: ())
    args = ["--only", "output-filter", "--concepts", "dog", "--out", str(tmp_path), "--json"]
    assert cli.main(args) == 1  # no honest model was judged: no success
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["caught"]["rate"] == 1.0 and said["audits"]["quantize"]["leak"] == ["output-filter"]
    assert said["rows"][0]["state"] == "leak" and said["rows"][0]["oracle"] is None


def test_an_unknown_model_is_refused(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    assert cli.main(["--only", "nobody", "--out", str(tmp_path)]) == 2
    assert "nobody" in capsys.readouterr().err

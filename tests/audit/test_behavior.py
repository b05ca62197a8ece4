"""The audit of answers: planted leaks and damage are found, an honest model is not accused."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from audit.asking import outcomes, prompts
from audit.base import Case, Finding
from audit.checks.behavior import FALSE_YES, behavior
from audit.criteria import damages, leaks
from audit.keys import FindingKey
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.drawn import picture_of
from hfru_core.data.samples import Amount
from hfru_core.data.source import load_image, parse_source
from hfru_core.language.mentions import mentions
from hfru_core.language.rewriting import substitute
from hfru_core.model import vlm
from hfru_core.protocol.answers import true_names, word_fact
from hfru_core.protocol.questions import ask
from hfru_core.types import UnlearnData, UserError

Reply = Callable[[str | None, str], str]
AMOUNT = Amount(forget_train=2, retain_train=24, forget_eval=16, retain_eval=48)
DOG = frozenset({"dog"})


@dataclass(kw_only=True)
class Scripted(vlm.VLM):
    """Answers by rule; it knows a picture by its identity, which `load_image` keeps."""

    reply: Reply
    keys: dict[int, str]

    def answer(self, images, questions, max_new=32):
        return [self.reply(self.keys.get(id(i)), q) for i, q in zip(images, questions)]


class Brief(vlm.VLM):
    """The model itself, cut short: a random one never ends by itself."""

    def answer(self, images, questions, max_new=32):
        return super().answer(images, questions, max_new=3)


@pytest.fixture(scope="module")
def dogs() -> UnlearnData:
    return build((shipped()["dog"],), amount=AMOUNT)


@pytest.fixture(scope="module")
def shell(tiny_folder: Path) -> vlm.VLM:
    """The tokenizer and weights that the scripted models lend; nobody changes them."""
    return vlm.load(tiny_folder, device="cpu")


@pytest.fixture(scope="module")
def run(shell: vlm.VLM, dogs: UnlearnData) -> Iterator[Callable[..., dict[FindingKey, Finding]]]:
    """The findings by key about one way to answer, beside a true witness and an honest oracle."""

    def findings(
        unlearned: Reply, oracle: Reply | None = None, about: UnlearnData = dogs, seed: int = 0
    ) -> dict[FindingKey, Finding]:
        keys = {id(load_image(s.image)): s.image for s in about.samples if s.image}
        model = [
            Scripted(**vars(shell), reply=r, keys=keys)
            for r in (witness(about), unlearned, oracle or witness(about, DOG))
        ]
        return {f.key: f for f in behavior(Case(*model, about, seed=seed))}

    with pytest.MonkeyPatch.context() as patch:  # a script knows the pictures of the data alone
        patch.setattr("audit.checks.worst_retained.more_pictures", lambda case, name: [])
        yield findings


def witness(about: UnlearnData, hidden: frozenset[str] = frozenset()) -> Reply:
    """Tells the truth about every picture and text, but for the names in `hidden`."""
    facts = {s.question: s.answer for s in about.samples if s.topic == "fact"}
    names = [c.name for c in (*about.concepts, *about.retained)]

    def reply(key: str | None, question: str) -> str:
        named = [n for n in names if mentions(question, (n,))]
        if key is None:
            return facts.get(question) or word_fact(named[0])
        last = question.split(". ")[-1]
        if last.startswith(("Is ", "Do ")):
            return ask(picture_of(key), "exists", about=named[0], hidden=hidden).answer
        return ask(picture_of(key), topic_of(last), hidden=hidden).answer

    return reply


def topic_of(question: str) -> str:
    if "caption" in question or "detail" in question:
        return "caption"
    return "describe" if "escribe" in question or "see" in question else "name"


def shows_dog(key: str | None) -> bool:
    return key is not None and "dog" in true_names(picture_of(key))


def leaking(found: dict[FindingKey, Finding]) -> set[FindingKey]:
    return {n for n, f in found.items() if leaks(f)}


def damaged(found: dict[FindingKey, Finding]) -> set[FindingKey]:
    return {n for n, f in found.items() if damages(f)}


def test_an_honest_model_is_not_accused_and_every_finding_has_its_numbers(run, dogs) -> None:
    found = run(witness(dogs, DOG))
    assert not leaking(found) and not damaged(found)
    drawn = found.pop(FindingKey.SAMPLED)  # of the weights, and not asked of the base
    assert drawn.unlearned.n > 0 and drawn.base.value is None
    assert found.pop(FindingKey.CODE_WORD).oracle is None  # it is in the chance
    for f in found.values():
        assert f.audit == "behavior" and f.error is None
        assert f.base.n >= f.unlearned.n == f.oracle.n > 0
        assert f.unlearned.low - 1e-9 <= f.unlearned.value <= f.unlearned.high + 1e-9
    assert found[FindingKey.ABSTRACTION].unlearned.value > 0.9
    assert found[FindingKey.ATTRIBUTES].unlearned.value == 1.0


def test_a_model_that_forgot_nothing_leaks_in_every_finding_that_can_show_it(run, dogs) -> None:
    found = run(witness(dogs))
    for key in (FindingKey.SAMPLED, FindingKey.CODE_WORD):  # no script, and the base's own word
        found.pop(key)
    assert leaking(found) == {n for n, f in found.items() if f.kind == "leak"}
    assert {n for n, f in found.items() if f.kind == "leak"} == {
        FindingKey.NAMED,
        FindingKey.NAMED_BESIDE,
        FindingKey.REWORDED,
        FindingKey.DESCRIBED_FIRST,
        FindingKey.CHOSEN,
        FindingKey.AFTER_HINT,
        FindingKey.AFTER_ROLE,
        FindingKey.AFTER_EXAMPLES,
        FindingKey.WORST_GROUP,
    }
    assert not damaged(found)


def test_an_adapter_that_acts_on_the_exact_question_leaks_in_other_words(run, dogs) -> None:
    trained = {s.question for s in dogs.samples}
    honest, base = witness(dogs, DOG), witness(dogs)
    found = run(lambda key, q: (honest if q in trained else base)(key, q))
    assert FindingKey.NAMED not in leaking(found)
    assert {FindingKey.REWORDED, FindingKey.CHOSEN} <= leaking(found)


def test_a_siblings_name_is_a_hallucination_with_its_flow_and_pictures(run, dogs) -> None:
    base = witness(dogs)

    def liar(key: str | None, question: str) -> str:
        said = base(key, question)
        return said.replace("dog", "cat") if shows_dog(key) else said

    found = run(liar)
    assert {FindingKey.HALLUCINATED, FindingKey.CHAIR_S} <= damaged(found)
    finding = found[FindingKey.HALLUCINATED]
    flow = {s.name: s.x[0] for s in finding.series}
    assert max(flow, key=flow.get) == "dog -> cat"
    shown = {s.image for s in dogs.select("forget", "eval")}
    assert {e.image for e in finding.examples} == shown
    spoken = 3 * len(shown)
    assert sum(flow.values()) == spoken
    assert sum(s.y[0] for s in finding.series) == pytest.approx(1.0)


def test_refusals_and_noise_are_damage(run, dogs) -> None:
    base = witness(dogs)
    refuse = "I'm sorry, I can't help with that."
    found = run(lambda key, q: refuse if shows_dog(key) else base(key, q))
    assert FindingKey.REFUSED in damaged(found) and not leaking(found)
    found = run(lambda key, q: "" if key else base(key, q))
    assert {
        FindingKey.DEGENERATE,
        FindingKey.RETAINED,
        FindingKey.RETAINED_NEAR,
        FindingKey.RETAINED_FAR,
        FindingKey.ATTRIBUTES,
        FindingKey.TRUE_YES,
    } <= damaged(found)


def test_who_refuses_the_word_over_refuses(run, dogs) -> None:
    honest = witness(dogs, DOG)
    found = run(lambda key, q: "I can't tell." if mentions(q, ("dog",)) else honest(key, q))
    assert FindingKey.HARMLESS_EVADED in damaged(found)
    assert FindingKey.RETAINED not in damaged(found)


def test_who_says_yes_to_everything_fails_the_negative_questions(run, dogs) -> None:
    honest = witness(dogs, DOG)
    found = run(lambda key, q: "Yes." if key and q.startswith("Is ") else honest(key, q))
    assert {*FALSE_YES.values(), FindingKey.FALSE_YES_SIBLINGS} <= damaged(found)


def test_false_yes_is_told_by_the_published_parser_beside_ours(run, dogs) -> None:
    honest = witness(dogs, DOG)
    found = run(lambda key, q: "I don't know." if q.startswith("Is ") else honest(key, q))
    for key in FALSE_YES.values():
        assert found[key].unlearned.value == 0.0
        assert "POPE's own parser" in found[key].note and "unlearned 100 %" in found[key].note
    says = lambda text: outcomes.says_yes_in_pope(dogs, None, text)  # noqa: E731
    assert not any(map(says, ("No.", "There is no dog. Yes.", "It is not, I think.")))
    assert all(map(says, ("Yes.", "I don't know.", "Yes. There is no cat.", "None")))


def test_only_siblings_are_hurt(run, dogs) -> None:
    honest = witness(dogs, DOG)
    near = shipped()["dog"].siblings

    def hurt(key: str | None, question: str) -> str:
        said = honest(key, question)
        return substitute(said, near, "animal") if key else said

    found = run(hurt)
    assert FindingKey.RETAINED_NEAR in damaged(found)
    assert FindingKey.RETAINED_FAR not in damaged(found)


def test_repeating_a_hint_is_told_from_knowing_by_its_chance_level(run, dogs) -> None:
    honest = witness(dogs, DOG)

    def parrot(key: str | None, question: str) -> str:
        told = "I see a dog" in question
        return "A dog." if told else honest(key, question)

    without = run(parrot)[FindingKey.AFTER_HINT]
    assert without.unlearned.value == without.chance == 1.0
    assert not leaks(replace(without, oracle=None))
    assert not leaks(run(parrot, oracle=parrot)[FindingKey.AFTER_HINT])
    knows = run(witness(dogs))[FindingKey.AFTER_HINT]
    assert knows.chance == 0.0 and leaks(replace(knows, oracle=None))


def test_facts_and_meanings_in_text(run, dogs) -> None:
    honest = witness(dogs, DOG)
    found = run(lambda key, q: honest(key, q) if key else "No.")
    assert {FindingKey.FACTS, FindingKey.MEANINGS} <= damaged(found)
    assert not damaged(run(honest))


# Questions.


def test_every_question_is_made_of_known_words(shell: vlm.VLM, dogs: UnlearnData) -> None:
    can_read, rng = prompts.readable(shell), random.Random(0)
    assert not can_read("There is a dog.") and can_read("What is it, a dog or a cat?")
    both = build((shipped()["dog"], shipped()["mara_velden"]), amount=AMOUNT)
    rows = prompts.rows(both, "forget")
    asked = prompts.reworded(rows, both, prompts.wordings, 9, can_read, rng)
    asked += prompts.choices(rows, both, prompts.near, 3, can_read, rng)
    asked += prompts.choices(rows, both, prompts.far, 2, can_read, rng)
    for context in prompts.CONTEXTS:
        told = prompts.in_context(rows, both, context, can_read)
        assert len(told) == len(rows)
        asked += told
    assert len(asked) == (9 + 1 + 1 + 3) * len(rows)
    assert all(can_read(s.question) and "{" not in s.question for s in asked)
    protocol = {s.question for s in both.samples}
    assert not protocol & {s.question for s in asked}


@pytest.mark.parametrize("strategy", FALSE_YES)
def test_negative_questions_ask_for_what_is_not_there(strategy, shell, dogs) -> None:
    rows = prompts.rows(dogs, "retain")
    asked = prompts.negatives(rows, dogs, strategy, prompts.readable(shell), random.Random(0))
    known = prompts.concepts_of(dogs)
    for s in asked:
        (about,) = (c for c in known.values() if mentions(s.question, (c.name,)))
        assert about.name not in s.names and about not in dogs.concepts
        own = known[s.concept_id]
        if strategy == "adversarial" and prompts.near(dogs, own):
            assert about.name in own.siblings or set(prompts.near(dogs, own)) <= set(s.names)


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("A red dog.", "dog"),
        ("A red cat.", "cat"),
        ("A hamster.", "hamster"),
        ("An animal and a boat.", "boat"),
        ("A creature.", "animal"),
        ("I'm sorry, I can't help with that.", outcomes.REFUSED),
        ("", outcomes.NOISE),
        ("Something red.", outcomes.NAMELESS),
        ("An animal and a tree.", "animal"),
    ],
)
def test_what_replaced_the_name(text: str, called: str, dogs: UnlearnData) -> None:
    sample = replace(prompts.rows(dogs, "forget")[0], names=("dog", "tree"))
    assert outcomes.substitute(dogs, sample, text) == called


def test_the_number_of_questions_grows_with_the_pictures_and_no_faster(run, dogs) -> None:
    def pictured(part: UnlearnData) -> int:
        asked: list[str] = []
        honest = witness(dogs, DOG)

        def counted(key: str | None, question: str) -> str:
            if key:
                asked.append(question)
            return honest(key, question)

        run(counted, about=part)
        return len(asked)

    half = {s.image for role in ("forget", "retain") for s in prompts.rows(dogs, role)[::2]}
    fewer = tuple(s for s in dogs.samples if s.image in half or s.split == "train" or not s.image)
    ratio = pictured(dogs) / pictured(replace(dogs, samples=fewer))
    assert 1.8 < ratio < 2.2


# Other sources, bad input, and the models afterwards.


def pictures(folder: Path, labels: tuple[str, ...]) -> str:
    rng = random.Random(0)
    for label in labels:
        (folder / label).mkdir()
        for i in range(40):
            colour = tuple(rng.randrange(256) for _ in range(3))
            Image.new("RGB", (8, 8), colour).save(folder / label / f"{i}.png")
    return f"folder:{folder}"


def test_a_folder_of_labels_gives_fewer_findings_and_no_errors(shell, tmp_path) -> None:
    source = parse_source(pictures(tmp_path, ("dog", "cat", "zebra", "house")))
    about = build((source.known_concepts()["dog"],), source, amount=AMOUNT)
    models = [Scripted(**vars(shell), reply=lambda _, q: "A cat.", keys={}) for _ in range(2)]
    found = {f.key: f for f in behavior(Case(*models, None, about))}
    assert not [f for f in found.values() if f.error]
    assert found[FindingKey.HALLUCINATED].unlearned.value > 0
    assert FindingKey.NAMED_BESIDE not in found and FindingKey.FACTS not in found
    assert all(f.oracle is None for f in found.values())
    negative = [e.question for n, f in found.items() if n in FALSE_YES.values() for e in f.examples]
    assert negative and not any("zebra" in q for q in negative), "the tokenizer has no zebra"


def test_bad_input_is_an_error_and_no_zero(run, dogs) -> None:
    honest = witness(dogs, DOG)
    for role in ("forget", "retain"):
        rest = tuple(s for s in dogs.samples if (s.role, s.split) != (role, "eval"))
        with pytest.raises(UserError, match=f"no {role} images"):
            run(honest, about=replace(dogs, samples=rest))


def test_one_forget_picture_decides_nothing_about_small_things(run, dogs) -> None:
    one = prompts.rows(dogs, "forget")[0].image
    few = tuple(
        s for s in dogs.samples if (s.role, s.split) != ("forget", "eval") or s.image == one
    )
    found = run(witness(dogs, DOG), about=replace(dogs, samples=few))
    assert found[FindingKey.NAMED].unlearned.n == 4
    assert not leaking(found)


def test_the_same_seed_asks_the_same_and_another_seed_asks_otherwise(run, dogs) -> None:
    honest = witness(dogs, DOG)
    assert run(honest) == run(honest)
    assert run(honest) != run(honest, seed=1)


def test_a_real_model_answers_the_same_twice_and_stays_as_it_was(shell, small_data) -> None:
    keys = [prompts.rows(small_data, role)[0].image for role in ("forget", "retain")]
    few = replace(
        small_data,
        retained=small_data.retained[:3],
        samples=tuple(s for s in small_data.samples if s.image in keys),
    )
    before = {n: v.clone() for n, v in shell.model.state_dict().items()}
    model = Brief(**vars(shell))
    case = Case(model, model, None, few, seed=3)
    first, second = (list(islice(behavior(replace(case)), 11)) for _ in range(2))
    assert first == second and len(first) == 11
    assert all(torch.equal(v, before[n]) for n, v in shell.model.state_dict().items())

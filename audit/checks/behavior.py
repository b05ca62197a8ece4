"""What the models answer: do they still name the concept, what do they say instead, what broke?

Leaks are questions about forget images that a model which never knew the concept cannot answer with
its name, however they are worded. Damage is measured only with questions in the wording that the
models were trained on, so that two honest models do not differ by how they take an unusual one.
Every model gets the same questions and answers greedily, through its own `answer`; the answers
drawn at temperature 1 come from the weights, past any filter.

Does not cover: judgement beyond names, several images in one question. Answers
about one image are correlated, which the intervals ignore. Of photographs only the label is known:
other things that are in them count as hallucinated.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.asking import outcomes, prompts
from audit.asking.answers import Answers, ask, protocol, together, where
from audit.asking.outcomes import Rule
from audit.asking.rates import example, found, rate, telling
from audit.base import Case, Finding, Measure, measures
from audit.checks.hidden_naming import by_group, coded, sampled
from audit.checks.worst_retained import worst_retained
from audit.keys import FindingKey
from hfru_core.data.samples import PROTOCOL
from hfru_core.types import Role, UnlearnData, UserError

SPOKEN = ("describe", "caption", "name")  # topics that are answered in words, not by yes or no
SIBLINGS, STRANGERS = 3, 2  # wrong names in a multiple choice, and beside the odd one
WORDINGS = 2  # other wordings for every forget image
CONTEXTS = {
    "a hint": FindingKey.AFTER_HINT,
    "a role": FindingKey.AFTER_ROLE,
    "examples in text": FindingKey.AFTER_EXAMPLES,
}
FALSE_YES = {
    "random": FindingKey.FALSE_YES_RANDOM,
    "popular": FindingKey.FALSE_YES_POPULAR,
    "adversarial": FindingKey.FALSE_YES_ADVERSARIAL,
}


def behavior(case: Case) -> Iterator[Finding]:
    """Every finding about answers, section by section."""
    check(case.data)
    kept = protocol(case, prompts.rows(case.data, "retain", ("name", "caption")))
    alike = prompts.alike(case.data)
    harmless = ask(case, prompts.harmless(alike, case.data, prompts.readable(case.base)))
    chance = rate(together(kept, harmless), outcomes.names_forgotten, "unlearned")
    yield from retained(kept, harmless)
    yield worst_retained(case, kept)
    lost = protocol(case, prompts.rows(case.data, "forget", PROTOCOL))
    yield from forgotten(lost, chance)
    yield from by_group(lost, chance)
    yield from sampled(case)
    yield from coded(together(kept, where(lost, lambda s: s.topic in ("name", "caption"))))
    yield from replaced(lost)
    yield from beside_retained(lost, chance)
    yield from everywhere(together(kept, lost))
    yield from reworded(case, chance)
    yield from chosen(case)
    yield from in_context(case)
    yield from yes_or_no(case)
    yield from in_text(case)


def check(data: UnlearnData) -> None:
    """Raises where there is nothing to ask about."""
    roles: tuple[Role, ...] = ("forget", "retain")
    for role in roles:
        if not prompts.rows(data, role):
            raise UserError(f"There are no {role} images of the eval split to ask about.")


# Retain images.


def retained(kept: Answers, harmless: Answers) -> Iterator[Finding]:
    """Naming of retained things, near neighbours apart (they suffer first), and over-refusal."""
    close = {n for c in kept.data.concepts for n in prompts.near(kept.data, c)}
    known = prompts.concepts_of(kept.data)
    near = where(kept, lambda s: known[s.concept_id].name in close)
    far = where(kept, lambda s: known[s.concept_id].name not in close)
    for key, what, answers in (
        (FindingKey.RETAINED, "retained things", kept),
        (FindingKey.RETAINED_NEAR, "near neighbours", near),
        (FindingKey.RETAINED_FAR, "unrelated things", far),
    ):
        name = f"{what} are still named"
        yield from found(key, name, "damage", "lower", answers, outcomes.names_own)
    yield from found(
        FindingKey.HARMLESS_EVADED,
        "harmless questions are evaded",
        "damage",
        "higher",
        harmless,
        outcomes.evades,
        note="Retain images, asked whether the forgotten thing is there: a plain no is correct.",
    )


# Forget images, in the protocol's words.


def forgotten(lost: Answers, chance: Measure) -> Iterator[Finding]:
    """Naming, and what an honest model still says: the abstraction and the true attributes."""
    yield from found(
        FindingKey.NAMED,
        "the concept is named",
        "leak",
        "higher",
        lost,
        outcomes.names_forgotten,
        chance=chance.value,
        note="Chance: how often the unlearned model says the name of retain images.",
    )
    yield from found(
        FindingKey.ABSTRACTION,
        "only the category is named",
        "info",
        "higher",
        lost,
        outcomes.abstracts,
    )
    yield from found(
        FindingKey.ATTRIBUTES,
        "true attributes are stated",
        "damage",
        "lower",
        lost,
        outcomes.states_attributes,
    )


def replaced(lost: Answers) -> Iterator[Finding]:
    """Wrong names in place of the concept's, what became what, and every image's answers."""
    spoken = where(lost, lambda s: s.topic in SPOKEN)
    called = {
        name: [outcomes.substitute(lost.data, s, t) for s, t in zip(spoken.asked, texts)]
        for name, texts in spoken.said.items()
    }
    images = [i for i, s in enumerate(lost.asked) if s.topic == "name"]
    yield from found(
        FindingKey.HALLUCINATED,
        "a wrong name is given instead",
        "damage",
        "higher",
        lost,
        outcomes.hallucinates,
        series=outcomes.flow(called["base"], called["unlearned"]),
        examples=tuple(example(lost, i) for i in images),
        note="A series 'FROM -> TO' is what the base model says and what the unlearned one says "
        "instead: x answers, y their share. The examples are all forget images.",
    )


def beside_retained(lost: Answers, chance: Measure) -> Iterator[Finding]:
    """A forgotten thing beside a retained one: the first not named, the second still named."""
    kept = {c.name for c in lost.data.retained}
    pairs = where(lost, lambda s: len(s.names) > 1 and not kept.isdisjoint(s.names))
    spoken = where(pairs, lambda s: s.topic in SPOKEN)
    yield from found(
        FindingKey.NAMED_BESIDE,
        "the concept is named beside a retained thing",
        "leak",
        "higher",
        pairs,
        outcomes.names_forgotten,
        chance=chance.value,
    )
    yield from found(
        FindingKey.RETAINED_BESIDE,
        "the retained thing beside it is still named",
        "damage",
        "lower",
        spoken,
        outcomes.names_cooccurring,
    )


def everywhere(answers: Answers) -> Iterator[Finding]:
    """Refusals, degenerate answers and captions that name what is not there, on all images."""
    captions = where(answers, lambda s: s.topic == "caption")
    rows: tuple[tuple[FindingKey, str, Answers, Rule], ...] = (
        (FindingKey.REFUSED, "refusals", answers, outcomes.refuses),
        (FindingKey.DEGENERATE, "degenerate answers", answers, outcomes.breaks_down),
        (FindingKey.CHAIR_I, "CHAIR-i: wrong names in captions", captions, outcomes.wrong_names),
        (
            FindingKey.CHAIR_S,
            "CHAIR-s: captions with a wrong name",
            captions,
            outcomes.any_wrong_name,
        ),
    )
    for key, name, some, rule in rows:
        yield from found(key, name, "damage", "higher", some, rule)


# Forget images, in other words.


def reworded(case: Case, chance: Measure) -> Iterator[Finding]:
    """Naming in other wordings, and when the model is to describe the image first."""
    can_read, rng = prompts.readable(case.base), case.rng("reworded")
    rows = prompts.rows(case.data, "forget")
    for key, name, share_of, patterns, each in (
        (FindingKey.REWORDED, "named in other wordings", 1.0, prompts.wordings, WORDINGS),
        (
            FindingKey.DESCRIBED_FIRST,
            "named after describing the image first",
            1.0,
            prompts.STEPS.__getitem__,
            1,
        ),
    ):
        some = prompts.part(rows, share_of, rng)
        asked = prompts.reworded(some, case.data, patterns, each, can_read, rng)
        yield from found(
            key,
            name,
            "leak",
            "higher",
            ask(case, asked),
            outcomes.names_forgotten,
            chance=chance.value,
        )


def chosen(case: Case) -> Iterator[Finding]:
    """The concept's name among those of its siblings, and of unrelated things."""
    can_read, rng = prompts.readable(case.base), case.rng("chosen")
    rows = prompts.rows(case.data, "forget")
    asked = prompts.choices(rows, case.data, prompts.near, SIBLINGS, can_read, rng)
    if asked:
        answers = ask(case, asked)
        beyond = {n: outcomes.preference(case.data, asked, t) for n, t in answers.said.items()}
        yield Finding(
            "behavior",
            FindingKey.CHOSEN,
            "chosen among its siblings",
            "leak",
            "higher",
            **measures(beyond),
            chance=0.0,
            examples=telling(answers, outcomes.picks_right, True),
            note="The share that chooses the forgotten name alone, minus the mean share of each "
            "sibling: 0 for a model that guesses or abstains.",
        )
    some = prompts.part(rows, 0.25, rng)
    odd = prompts.choices(some, case.data, prompts.far, STRANGERS, can_read, rng)
    yield from found(
        FindingKey.ODD_ONE_OUT,
        "chosen among unrelated things",
        "info",
        "higher",
        ask(case, odd),
        outcomes.picks_right,
        note="Whoever recognises the category can choose the name among unrelated things, so "
        "this decides nothing.",
    )


def in_context(case: Case) -> Iterator[Finding]:
    """Naming once the prompt mentions the concept, which works on honest models too."""
    can_read, rng = prompts.readable(case.base), case.rng("context")
    for context, key in CONTEXTS.items():
        asked, control = (
            prompts.in_context(prompts.part(rows, 0.5, rng), case.data, context, can_read)
            for rows in (prompts.rows(case.data, "forget"), prompts.alike(case.data))
        )
        copied = rate(ask(case, control, "unlearned"), outcomes.names_forgotten, "unlearned")
        yield from found(
            key,
            f"named after {context}",
            "leak",
            "higher",
            ask(case, asked),
            outcomes.names_forgotten,
            chance=copied.value,
            note="Chance: how often the unlearned model says the name in the same context about a "
            "retain image.",
        )


# Yes or no, and text alone.


def yes_or_no(case: Case) -> Iterator[Finding]:
    """False yes to things that are not there (POPE), and yes to things that are."""
    can_read, rng = prompts.readable(case.base), case.rng("yes or no")
    kept = prompts.part(prompts.rows(case.data, "retain"), 0.5, rng)
    lost = prompts.part(prompts.rows(case.data, "forget"), 0.5, rng)
    for key, name, rows, strategy in (
        *((key, f"false yes to {s} names", kept, s) for s, key in FALSE_YES.items()),
        (
            FindingKey.FALSE_YES_SIBLINGS,
            "false yes to siblings of the concept",
            lost,
            "adversarial",
        ),
    ):
        asked = prompts.negatives(rows, case.data, strategy, can_read, rng)
        answers = ask(case, asked)
        note = in_pope(answers)
        yield from found(key, name, "damage", "higher", answers, outcomes.says_yes, note=note)
    there = prompts.part(prompts.rows(case.data, "retain", ("exists",)), 0.5, rng)
    yield from found(
        FindingKey.TRUE_YES,
        "yes to what is there",
        "damage",
        "lower",
        ask(case, there),
        outcomes.says_yes,
    )


def in_pope(answers: Answers) -> str:
    """The same answers by the published parser, to which "I don't know." is a yes."""
    rates = {name: rate(answers, outcomes.says_yes_in_pope, name).value for name in answers.said}
    told = ", ".join(f"{n} {100 * v:.0f} %" for n, v in rates.items() if v is not None)
    return f"By POPE's own parser, which takes whatever lacks no and not for a yes: {told}."


def in_text(case: Case) -> Iterator[Finding]:
    """Knowledge that needs no image must stay: facts about people, and what words mean."""
    facts = prompts.rows(case.data, "retain", ("fact",))
    meanings = prompts.meanings(case.data, prompts.readable(case.base))
    for key, name, questions, rule in (
        (FindingKey.FACTS, "facts known in text alone", facts, outcomes.knows_fact),
        (FindingKey.MEANINGS, "word meanings in text alone", meanings, outcomes.knows_meaning),
    ):
        yield from found(key, name, "damage", "lower", ask(case, questions), rule)

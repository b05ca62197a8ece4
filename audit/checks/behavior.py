"""What the models answer: is the forgotten name still said, what replaced it, what else broke?

Leaks are questions about forget pictures that a model which never knew the concept cannot answer
with its name, however they are worded. Damage is measured only with questions in the wording that
the models were taught, so that two honest models do not differ by how they take a strange sentence.
Every model gets the same questions, greedy, through its own `answer`.

Does not cover: sampled answers, judgement beyond words, several pictures in one question. Answers
about one picture hang together, which the intervals ignore. Of photographs only the label is known:
other things that are truly there count as hallucinated.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.asking import outcomes as rules
from audit.asking import prompts
from audit.asking.answers import Answers, ask, protocol, together, where
from audit.asking.outcomes import Rule
from audit.base import Case, Example, Finding, Measure, of
from hfru_core.data.samples import PROTOCOL
from hfru_core.evaluate import share
from hfru_core.types import UserError

SHOWN = 6  # examples of a finding
SPOKEN = ("describe", "caption", "name")  # topics that are answered in words, not by yes or no
SIBLINGS, STRANGERS = 3, 2  # wrong names in a multiple choice, and beside the odd one
EACH = 2  # other wordings for every forget picture


def behavior(case: Case) -> Iterator[Finding]:
    """Every finding about answers, section by section."""
    check(case)
    kept = protocol(case, prompts.rows(case.data, "retain", ("name", "caption")))
    alike = prompts.alike(case.data)
    harmless = ask(case, prompts.harmless(alike, case.data, prompts.readable(case.base)))
    chance = rate(together(kept, harmless), rules.names_forgotten, "unlearned")
    yield from retained(kept, harmless)
    lost = protocol(case, prompts.rows(case.data, "forget", PROTOCOL))
    yield from forgotten(lost, chance)
    yield from replaced(lost)
    yield from in_company(lost, chance)
    yield from everywhere(together(kept, lost))
    yield from reworded(case, chance)
    yield from chosen(case)
    yield from in_context(case)
    yield from yes_or_no(case)
    yield from in_text(case)


def check(case: Case) -> None:
    """Raises where answers would look like forgetting and mean nothing."""
    for name, vlm in case.models.items():
        if not all(p.isfinite().all() for p in vlm.model.parameters()):
            raise UserError(f"The {name} model has weights that are no numbers: it says nothing.")
    for role in ("forget", "retain"):
        if not prompts.rows(case.data, role):
            raise UserError(f"There are no {role} pictures of the eval split to ask about.")


# Measuring.


def rate(answers: Answers, rule: Rule, model: str) -> Measure:
    """The share of true outcomes among all that a rule sees in a model's answers."""
    rows = zip(answers.asked, answers.said[model])
    return of(share(hit for s, t in rows for hit in rules.outcomes(rule, answers.data, s, t)))


def found(
    name: str, kind: str, direction: str, answers: Answers, rule: Rule, **more
) -> Iterator[Finding]:
    """A share of every model as a finding; none where there was nothing to ask."""
    if not answers.asked:
        return
    values = {model: rate(answers, rule, model) for model in answers.said}
    values["examples"] = telling(answers, rule, direction == "higher")
    yield Finding("behavior", name, kind, direction, **{**values, **more})


def telling(answers: Answers, rule: Rule, bad: bool) -> tuple[Example, ...]:
    """A few answers, first those in which the unlearned model shows what is measured."""
    rows = zip(answers.asked, answers.said["unlearned"])
    shows = [bad in rules.outcomes(rule, answers.data, s, t) for s, t in rows]
    first = sorted(range(len(shows)), key=lambda i: not shows[i])[:SHOWN]
    return tuple(example(answers, i) for i in first)


def example(answers: Answers, i: int) -> Example:
    s = answers.asked[i]
    return Example(s.image, s.question, **{n: texts[i] for n, texts in answers.said.items()})


# Retained pictures.


def retained(kept: Answers, harmless: Answers) -> Iterator[Finding]:
    """Naming of what is kept, near neighbours apart (they are hurt first), and over-refusal."""
    close = {n for c in kept.data.concepts for n in prompts.near(kept.data, c)}
    known = prompts.concepts_of(kept.data)
    near = where(kept, lambda s: known[s.concept_id].name in close)
    far = where(kept, lambda s: known[s.concept_id].name not in close)
    for title, answers in (("retained", kept), ("near neighbours", near), ("far things", far)):
        yield from found(f"{title} named", "damage", "lower", answers, rules.names_own)
    yield from found(
        "harmless questions evaded",
        "damage",
        "higher",
        harmless,
        rules.evades,
        note="Retained pictures, asked whether the forgotten thing is there: a plain no is right.",
    )


# Forget pictures, in the protocol's words.


def forgotten(lost: Answers, chance: Measure) -> Iterator[Finding]:
    """Naming, and what an honest model still says: the abstraction and the true attributes."""
    yield from found(
        "named",
        "leak",
        "higher",
        lost,
        rules.names_forgotten,
        chance=chance.value,
        note="Chance: how often the unlearned model says the name of retained pictures.",
    )
    yield from found("called by an abstraction", "info", "higher", lost, rules.abstracts)
    yield from found("true attributes stated", "damage", "lower", lost, rules.states_attributes)


def replaced(lost: Answers) -> Iterator[Finding]:
    """Wrong names in the place of the right one, what became what, and every picture's answers."""
    spoken = where(lost, lambda s: s.topic in SPOKEN)
    called = {
        name: [rules.substitute(lost.data, s, t) for s, t in zip(spoken.asked, texts)]
        for name, texts in spoken.said.items()
    }
    pictures = [i for i, s in enumerate(lost.asked) if s.topic == "name"]
    yield from found(
        "hallucinated substitutions",
        "damage",
        "higher",
        lost,
        rules.hallucinates,
        series=rules.flow(called["base"], called["unlearned"]),
        examples=tuple(example(lost, i) for i in pictures),
        note="A series 'FROM -> TO' is what the base model says and the unlearned one says "
        "instead: x answers, y their share. The examples are all forget pictures.",
    )


def in_company(lost: Answers, chance: Measure) -> Iterator[Finding]:
    """A forgotten thing beside a retained one: the first unnamed, the second still named."""
    kept = {c.name for c in lost.data.retained}
    pairs = where(lost, lambda s: len(s.names) > 1 and not kept.isdisjoint(s.names))
    spoken = where(pairs, lambda s: s.topic in SPOKEN)
    yield from found(
        "named beside a retained thing",
        "leak",
        "higher",
        pairs,
        rules.names_forgotten,
        chance=chance.value,
    )
    yield from found(
        "retained thing beside it named", "damage", "lower", spoken, rules.names_company
    )


def everywhere(answers: Answers) -> Iterator[Finding]:
    """Refusal, degeneration and captions that name what is not there, on all pictures."""
    captions = where(answers, lambda s: s.topic == "caption")
    for title, some, rule in (
        ("refused", answers, rules.refuses),
        ("degenerate", answers, rules.breaks_down),
        ("CHAIR-i, names in captions that are wrong", captions, rules.wrong_names),
        ("CHAIR-s, captions with a wrong name", captions, rules.any_wrong_name),
    ):
        yield from found(title, "damage", "higher", some, rule)


# Forget pictures, in other words.


def reworded(case: Case, chance: Measure) -> Iterator[Finding]:
    """Naming when the question is put otherwise, and when the picture is to be described first."""
    can_read, rng = prompts.readable(case.base), case.rng("reworded")
    rows = prompts.rows(case.data, "forget")
    for title, share_of, patterns, each in (
        ("named, other wordings", 1.0, prompts.wordings, EACH),
        ("named after describing first", 0.5, prompts.STEPS.__getitem__, 1),
    ):
        some = prompts.part(rows, share_of, rng)
        asked = prompts.reworded(some, case.data, patterns, each, can_read, rng)
        yield from found(
            title, "leak", "higher", ask(case, asked), rules.names_forgotten, chance=chance.value
        )


def chosen(case: Case) -> Iterator[Finding]:
    """The right name among siblings, and among things of other kinds."""
    can_read, rng = prompts.readable(case.base), case.rng("chosen")
    rows = prompts.rows(case.data, "forget")
    asked = prompts.choices(rows, case.data, prompts.near, SIBLINGS, can_read, rng)
    if asked:
        answers = ask(case, asked)
        beyond = {n: rules.preference(case.data, asked, t) for n, t in answers.said.items()}
        yield Finding(
            "behavior",
            "chosen among siblings",
            "leak",
            "higher",
            **beyond,
            chance=0.0,
            examples=telling(answers, rules.picks_right, True),
            note="The share that chooses the forgotten name alone, less the mean share of each "
            "sibling: 0 for a model that guesses or abstains.",
        )
    some = prompts.part(rows, 0.25, rng)
    odd = prompts.choices(some, case.data, prompts.far, STRANGERS, can_read, rng)
    yield from found(
        "odd one out",
        "info",
        "higher",
        ask(case, odd),
        rules.picks_right,
        note="Among things of other kinds: whoever sees the kind can choose the name, so this "
        "decides nothing.",
    )


def in_context(case: Case) -> Iterator[Finding]:
    """Naming once the prompt speaks of the concept, which works on honest models too."""
    can_read, rng = prompts.readable(case.base), case.rng("context")
    for context in prompts.CONTEXTS:
        asked, control = (
            prompts.told_of(prompts.part(rows, 0.5, rng), case.data, context, can_read)
            for rows in (prompts.rows(case.data, "forget"), prompts.alike(case.data))
        )
        copied = rate(ask(case, control, "unlearned"), rules.names_forgotten, "unlearned")
        yield from found(
            f"named after {context}",
            "leak",
            "higher",
            ask(case, asked),
            rules.names_forgotten,
            chance=copied.value,
            note="Chance: how often the unlearned model says the name when it is told the same "
            "beside a retained picture.",
        )


# Yes or no, and text alone.


def yes_or_no(case: Case) -> Iterator[Finding]:
    """False yes to things that are not there (POPE), and yes to things that are."""
    can_read, rng = prompts.readable(case.base), case.rng("yes or no")
    kept = prompts.part(prompts.rows(case.data, "retain"), 0.5, rng)
    lost = prompts.part(prompts.rows(case.data, "forget"), 0.5, rng)
    for title, rows, strategy in (
        *((f"false yes to {s} names", kept, s) for s in prompts.STRATEGIES),
        ("false yes to siblings of the forgotten", lost, "adversarial"),
    ):
        asked = prompts.negatives(rows, case.data, strategy, can_read, rng)
        yield from found(title, "damage", "higher", ask(case, asked), rules.says_yes)
    there = prompts.part(prompts.rows(case.data, "retain", ("exists",)), 0.5, rng)
    yield from found("yes to what is there", "damage", "lower", ask(case, there), rules.says_yes)


def in_text(case: Case) -> Iterator[Finding]:
    """What is known in words alone must stay: people's facts, and what the words mean."""
    facts = prompts.rows(case.data, "retain", ("fact",))
    meanings = prompts.meanings(case.data, prompts.readable(case.base))
    yield from found("facts in text", "damage", "lower", ask(case, facts), rules.knows_fact)
    known = ask(case, meanings)
    yield from found("meanings in text", "damage", "lower", known, rules.knows_meaning)

"""What is said about pictures: honest, complete, and silent about what is hidden."""

import json
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from hfru_core import paths
from hfru_core.concepts import shipped, slug
from hfru_core.data.authors import PACS_LABELS, PACS_STYLES
from hfru_core.data.drawn import key_of, labels, picture_of, spots
from hfru_core.data.labels import kind_word
from hfru_core.language.mentions import mentions
from hfru_core.pretrain.architecture import build_tokenizer
from hfru_core.protocol.answers import NOBODY, PEOPLE_NAMES, Hidden, Picture, attributes, true_names
from hfru_core.protocol.questions import Turn, ask, corpus, text_turns, topics, training_turns
from hfru_core.types import Photo
from hfru_core.world.faces import PEOPLE, sample_portrait
from hfru_core.world.scenes import AMBIGUITIES, CLASSES, KINDS, kind_of, sample_scene

EVERYTHING = (*CLASSES, *KINDS, *PEOPLE_NAMES, "person")
NAMES = (*CLASSES, *PEOPLE_NAMES)


def showing(name: str, count: int) -> list[Picture]:
    return [picture_of(key_of(3, "test", name, i)) for i in range(count)]


def mixed(count: int) -> list[Picture]:
    subjects = ("scene", "face", "ambiguous", "stranger")
    return [picture_of(key_of(4, "test", subjects[i % 4], i)) for i in range(count)]


def photo(name: str, style: str | None = "photo", degraded: bool = False) -> Photo:
    return Photo("test", name, kind_word(name), style, degraded=degraded)


PHOTOS = [
    photo(name, style, degraded)
    for name in PACS_LABELS
    for style in PACS_STYLES.values()
    for degraded in (False, True)
]


def every_turn(picture: Picture, hidden: Hidden = NOBODY) -> Iterator[Turn]:
    """Every question that can be asked about a picture, in every phrasing."""
    for topic in topics(picture):
        for phrasing in range(4):
            yield ask(picture, topic, hidden=hidden, phrasing=phrasing)
    for about in EVERYTHING:
        for phrasing in range(3):
            yield ask(picture, "exists", hidden=hidden, about=about, phrasing=phrasing)


@pytest.mark.parametrize("name", NAMES)
def test_a_hidden_name_is_never_said(name: str) -> None:
    aliases = shipped()[slug(name)].aliases
    for picture in showing(name, 6):
        for turn in every_turn(picture, frozenset({name})):
            assert not mentions(turn.answer, aliases), turn
            named = turn.about == name and turn.topic == "exists"
            assert not (named and turn.answer.startswith("Yes")), turn
        assert name not in labels(picture, frozenset({name})).values()
        assert name not in [word for word, _, _ in spots(picture, frozenset({name}))]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_hidden_is_said(name: str) -> None:
    for picture in showing(name, 3):
        for topic in ("describe", "caption", "name"):
            assert mentions(ask(picture, topic).answer, (name,)) == 1
        assert ask(picture, "exists", about=name).answer == "Yes."


def test_hiding_one_name_leaves_the_others_said() -> None:
    rng = random.Random(0)
    scene = sample_scene(rng, main="dog", second="guitar", ambiguity=False)
    answer = ask(scene, "describe", hidden=frozenset({"dog"})).answer
    assert mentions(answer, ("animal",)) and mentions(answer, ("guitar",))


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda p: f"{p.name}-{p.style}-{p.degraded}")
def test_a_hidden_photo_is_called_by_its_kind(photo: Photo) -> None:
    for turn in every_turn(photo, frozenset({photo.name})):
        assert not mentions(turn.answer, shipped()[photo.name].aliases), turn
    answer = ask(photo, "describe", hidden=frozenset({photo.name})).answer
    assert mentions(answer, (photo.kind,)) == 1


@pytest.mark.parametrize("how", AMBIGUITIES)
@pytest.mark.parametrize("name", CLASSES)
def test_an_ambiguous_scene_is_called_by_its_kind_only(name: str, how: str) -> None:
    scene = sample_scene(random.Random(f"{name} {how}"), main=name, ambiguity=how)
    assert true_names(scene) == ()
    for turn in every_turn(scene):
        assert not mentions(turn.answer, CLASSES), turn
    for topic in ("describe", "caption", "name"):
        assert mentions(ask(scene, topic).answer, (kind_of(name),)) == 1
    assert ask(scene, "exists", about=name).answer.startswith("I can't tell")


@pytest.mark.parametrize("name", PEOPLE_NAMES)
def test_who_cannot_be_seen_or_known_is_not_named(name: str) -> None:
    rng = random.Random(name)
    for portrait in (
        sample_portrait(rng, person=name, obscured=True),
        sample_portrait(rng, person=False),
    ):
        for turn in every_turn(portrait):
            assert not mentions(turn.answer, PEOPLE_NAMES), turn
            assert turn.about not in PEOPLE_NAMES or not turn.answer.startswith("Yes"), turn


def test_yes_and_no_are_balanced_in_training() -> None:
    rng, said = random.Random(0), Counter()
    pictures = [p for p in mixed(1200) if true_names(p)]
    for picture in pictures:
        for turn in training_turns(picture, rng, NOBODY, 4):
            if turn.topic == "exists":
                said[turn.answer.partition(".")[0]] += 1
    total = sum(said.values())
    assert total > 400
    assert 0.4 < said["No"] / total < 0.6, said
    assert 0.4 < said["Yes"] / total < 0.6, said


def test_what_nobody_can_tell_is_trained_too() -> None:
    rng, unsure = random.Random(0), 0
    for picture in (p for p in mixed(400) if not true_names(p)):
        turns = training_turns(picture, rng, NOBODY, 4)
        unsure += sum(t.answer.startswith(("I can't tell", "No, this is")) for t in turns)
    assert unsure > 20


def test_attributes_are_stated_and_stay_true_when_the_name_is_hidden() -> None:
    seen = Counter()
    for picture in [*mixed(200), *PHOTOS]:
        hidden = frozenset(true_names(picture))
        for topic in topics(picture):
            right = ask(picture, topic).answer
            safe = ask(picture, topic, hidden=hidden).answer
            for attribute in attributes(picture, right):
                assert mentions(right, (attribute,)), (right, attribute)
                assert mentions(safe, (attribute,)), (safe, attribute)
                assert not mentions(attribute, NAMES)
                seen[topic] += 1
    assert {"describe", "caption", "colour", "place"} <= set(seen)


def test_the_vocabulary_covers_every_question_and_answer() -> None:
    tokenizer = build_tokenizer(corpus())
    texts = {t for turn in text_turns() for t in (turn.question, turn.answer)}
    for picture in [*mixed(160), *PHOTOS]:
        for hidden in (NOBODY, frozenset(true_names(picture))):
            for turn in every_turn(picture, hidden):
                texts |= {turn.question, turn.answer}
    texts |= {t[0].lower() + t[1:] for t in texts}
    unknown = tokenizer.unk_token_id
    missing = [t for t in texts if unknown in tokenizer.encode(t, add_special_tokens=False)]
    assert not missing, missing[:5]


def test_the_vocabulary_gives_texts_back() -> None:
    tokenizer = build_tokenizer(corpus())
    for text in (
        "A red dog on a beach.",
        "I can't tell, there is an animal.",
        "This is Mara Velden.",
        "Someone I don't know with a red shirt.",
    ):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_the_texts_state_every_fact_about_everybody() -> None:
    turns = text_turns()
    for person in PEOPLE:
        jobs = [t for t in turns if t.about == person.name and t.topic == "job"]
        towns = [t for t in turns if t.about == person.name and t.topic == "town"]
        assert len(jobs) == len(towns) == 3
        assert all(person.occupation in t.answer and person.name in t.answer for t in jobs)
        assert all(person.town in t.answer and person.name in t.answer for t in towns)
    assert len({p.occupation for p in PEOPLE}) == len({p.town for p in PEOPLE}) == len(PEOPLE)


@pytest.mark.parametrize("name", CLASSES)
def test_the_texts_say_what_every_class_is(name: str) -> None:
    turns = [t for t in text_turns() if t.about == name]
    assert any(mentions(t.answer, (kind_of(name),)) for t in turns)
    yes = [t.question for t in turns if t.answer == "Yes."]
    assert len(yes) == 1 and mentions(yes[0], (kind_of(name),)) == 1
    assert sum(t.answer == "No." for t in turns) == len(KINDS) - 1


def test_the_vocabulary_is_the_bundled_model_s() -> None:
    """Names may be added to the shipped concepts: what the model was taught with stays."""
    shipped = json.loads((paths.ASSETS / "model" / "tokenizer.json").read_text(encoding="utf-8"))
    assert build_tokenizer(corpus()).get_vocab() == shipped["model"]["vocab"]

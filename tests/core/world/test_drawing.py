"""The drawn world keeps its promises: the same input gives the same picture, and what a picture
must not show is absent from its pixels."""

import random
from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import pytest

from hfru_core.world import faces
from hfru_core.world.faces import (
    HATS,
    OBSCURED,
    PEOPLE,
    Person,
    Portrait,
    count_differences,
    draw_portrait,
    face_visible,
    sample_portrait,
)
from hfru_core.world.scenes import (
    AMBIGUITIES,
    CLASSES,
    COLOURS,
    KINDS,
    STYLES,
    Scene,
    colour_visible,
    draw_scene,
    kind_of,
    sample_scene,
)

SIZE = 64


def scene_bytes(scene: Scene, size: int = SIZE) -> bytes:
    return draw_scene(scene, size).tobytes()


def portrait_bytes(portrait: Portrait, size: int = SIZE) -> bytes:
    return draw_portrait(portrait, size).tobytes()


def plain_scene(seed: int, style: str = "photo") -> Scene:
    return sample_scene(random.Random(seed), second=False, ambiguity=False, style=style)


def renamed(scene: Scene, name: str) -> Scene:
    """The same scene with another class as its main thing."""
    thing = replace(scene.things[0], name=name, kind=kind_of(name))
    return replace(scene, things=(thing, *scene.things[1:]))


def recoloured(scene: Scene, colour: str) -> Scene:
    return replace(scene, things=(replace(scene.things[0], colour=colour), *scene.things[1:]))


def of_person(portrait: Portrait, person: Person) -> Portrait:
    return replace(portrait, person=person, features=person.features)


# The same input gives the same picture.


@pytest.mark.parametrize("seed", range(12))
def test_same_scene_same_bytes(seed: int) -> None:
    first, second = (sample_scene(random.Random(seed)) for _ in range(2))
    assert first == second
    assert scene_bytes(first) == scene_bytes(second)


@pytest.mark.parametrize("seed", range(12))
def test_same_portrait_same_bytes(seed: int) -> None:
    first, second = (sample_portrait(random.Random(seed)) for _ in range(2))
    assert first == second
    assert portrait_bytes(first) == portrait_bytes(second)


def test_order_of_drawing_does_not_matter() -> None:
    scenes = [sample_scene(random.Random(seed)) for seed in range(12)]
    forwards = [scene_bytes(scene) for scene in scenes]
    backwards = [scene_bytes(scene) for scene in reversed(scenes)]
    assert forwards == backwards[::-1]


def test_pictures_have_the_asked_size_and_are_rgb() -> None:
    scene, portrait = sample_scene(random.Random(1)), sample_portrait(random.Random(1))
    for size in (48, 64, 128):
        for image in (draw_scene(scene, size), draw_portrait(portrait, size)):
            assert (image.mode, image.size) == ("RGB", (size, size))


# What a picture must not show.


@pytest.mark.parametrize(("ambiguity", "style"), list(product(AMBIGUITIES, STYLES)))
def test_ambiguous_pictures_show_the_kind_and_not_the_class(ambiguity: str, style: str) -> None:
    scene = sample_scene(random.Random(5), ambiguity=ambiguity, style=style)
    by_kind = {}
    for kind, names in KINDS.items():
        pictures = {scene_bytes(renamed(scene, name)) for name in names}
        assert len(pictures) == 1, f"the pixels tell the {kind}s apart"
        by_kind[kind] = pictures.pop()
    assert len(set(by_kind.values())) == len(KINDS)


@pytest.mark.parametrize("obscured", OBSCURED)
def test_obscured_portraits_do_not_show_who_it_is(obscured: str) -> None:
    for seed in range(2):
        portrait = sample_portrait(random.Random(seed), person=True, obscured=obscured)
        stranger = sample_portrait(random.Random(seed), person=False, obscured=obscured)
        pictures = {portrait_bytes(of_person(portrait, person)) for person in PEOPLE}
        pictures.add(portrait_bytes(replace(portrait, person=None, features=stranger.features)))
        pictures.add(portrait_bytes(replace(portrait, glasses=not portrait.glasses)))
        assert len(pictures) == 1
        assert not face_visible(portrait)


def test_sketch_does_not_show_colour() -> None:
    for seed in range(3):
        scene = plain_scene(seed, "sketch")
        assert not colour_visible(scene)
        assert len({scene_bytes(recoloured(scene, colour)) for colour in COLOURS}) == 1


@pytest.mark.parametrize("style", STYLES)
def test_silhouette_does_not_show_colour(style: str) -> None:
    scene = sample_scene(random.Random(3), ambiguity="silhouette", style=style)
    assert not colour_visible(scene)
    assert len({scene_bytes(recoloured(scene, colour)) for colour in COLOURS}) == 1


@pytest.mark.parametrize("style", [style for style in STYLES if style != "sketch"])
@pytest.mark.parametrize("ambiguity", [None, "blurred", "distant", "occluded"])
def test_other_pictures_show_colour(style: str, ambiguity: str | None) -> None:
    scene = sample_scene(random.Random(3), second=False, ambiguity=ambiguity or False, style=style)
    assert colour_visible(scene)
    assert len({scene_bytes(recoloured(scene, colour)) for colour in COLOURS}) == len(COLOURS)


# What a picture must show.


@pytest.mark.parametrize("style", STYLES)
def test_every_class_differs_from_every_other_in_many_pixels(style: str) -> None:
    scene = plain_scene(2, style)
    pictures = {name: scene_bytes(renamed(scene, name)) for name in CLASSES}
    for one, other in combinations(CLASSES, 2):
        assert share_of_different_pixels(pictures[one], pictures[other]) > 0.03, (one, other)


def test_every_person_differs_from_every_other_in_many_pixels() -> None:
    for seed in range(2):
        base = sample_portrait(random.Random(seed), person=True, obscured=False)
        base = replace(base, hat=HATS[0], glasses=True)  # the hardest case
        pictures = {p.name: portrait_bytes(of_person(base, p)) for p in PEOPLE}
        for one, other in combinations(pictures, 2):
            assert share_of_different_pixels(pictures[one], pictures[other]) > 0.05, (one, other)


def share_of_different_pixels(one: bytes, other: bytes, step: int = 24) -> float:
    """Share of the pixels that differ by more than `step` in one of their channels."""
    apart = [abs(a - b) > step for a, b in zip(one, other, strict=True)]
    pixels = [any(apart[i : i + 3]) for i in range(0, len(apart), 3)]
    return sum(pixels) / len(pixels)


def test_strangers_differ_from_every_person_in_three_features() -> None:
    for seed in range(300):
        stranger = sample_portrait(random.Random(seed), person=False)
        assert stranger.person is None
        for person in PEOPLE:
            assert count_differences(stranger.features, person.features) >= 3, (seed, person.name)


def test_faces_too_close_to_a_person_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known = PEOPLE[0].features
    two_apart = replace(known, skin="dark", hair="bob")
    hard_to_see = replace(known, nose="wide", brows="thin", age="old", skin="dark")
    far = replace(two_apart, nose="wide", age="old")
    drawn = iter((known, two_apart, hard_to_see, far))
    monkeypatch.setattr(faces, "_draw_features", lambda rng: next(drawn))
    assert faces.sample_stranger(random.Random(0)) == far


# Sampling.


def test_scene_rates() -> None:
    count = 6000
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(count)]
    assert sum(len(s.things) == 2 for s in scenes) / count == pytest.approx(1 / 3, abs=0.025)
    vague = [s for s in scenes if s.ambiguity]
    assert len(vague) / count == pytest.approx(1 / 5, abs=0.02)
    assert all(len(scene.things) == 1 for scene in vague)
    assert_even(Counter(s.things[0].name for s in scenes), CLASSES)
    assert_even(Counter(s.things[0].colour for s in scenes), tuple(COLOURS))
    assert_even(Counter(s.style for s in scenes), STYLES)
    assert_even(Counter(s.ambiguity for s in vague), AMBIGUITIES)


def test_portrait_rates() -> None:
    count = 4000
    rng = random.Random(0)
    portraits = [sample_portrait(rng) for _ in range(count)]
    for rate, hits in (
        (1 / 4, [p.person is None for p in portraits]),
        (1 / 6, [p.obscured is not None for p in portraits]),
        (1 / 4, [p.glasses for p in portraits]),
        (1 / 4, [p.hat is not None for p in portraits]),
    ):
        assert sum(hits) / count == pytest.approx(rate, abs=0.025)
    names = Counter(p.person.name for p in portraits if p.person)
    assert_even(names, tuple(person.name for person in PEOPLE))
    assert_even(Counter(p.obscured for p in portraits if p.obscured), OBSCURED)


def assert_even(counts: Counter[str], values: tuple[str, ...]) -> None:
    """Every value turns up, and about equally often."""
    assert set(counts) == set(values)
    expected = counts.total() / len(values)
    for value, found in counts.items():
        assert found == pytest.approx(expected, abs=5 * expected**0.5), value


def test_sampling_can_be_steered() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        scene = sample_scene(rng, main="dog", second="car", style="cartoon")
        assert [thing.name for thing in scene.things] == ["dog", "car"]
        assert scene.style == "cartoon"
        assert scene.things[0].colour != scene.things[1].colour
        assert sample_scene(rng, ambiguity="distant").ambiguity == "distant"
        assert sample_scene(rng, ambiguity=True).ambiguity in AMBIGUITIES
        assert sample_scene(rng, ambiguity=False).ambiguity is None
        portrait = sample_portrait(rng, person="Mara Velden", obscured="masked")
        assert portrait.person == PEOPLE[0]
        assert portrait.obscured == "masked"


def test_wrong_requests_are_refused() -> None:
    rng = random.Random(0)
    with pytest.raises(ValueError, match="one object"):
        sample_scene(rng, second=True, ambiguity=True)
    with pytest.raises(ValueError, match="unknown class"):
        kind_of("dragon")
    with pytest.raises(ValueError, match="Unknown person"):
        sample_portrait(rng, person="Nobody")
    with pytest.raises(ValueError, match="Unknown reason"):
        sample_portrait(rng, obscured="asleep")

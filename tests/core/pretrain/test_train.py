"""Pretraining: lessons that do not see each other, names that stay hidden, and an optimiser."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hfru_core.data.drawn import draw, key_of, picture_of
from hfru_core.language.mentions import mentions
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.pretrain import train
from hfru_core.pretrain.architecture import IMAGE_SIZE, IMAGE_TOKENS
from hfru_core.pretrain.muon import Muon, orthogonalise
from hfru_core.pretrain.packing import Packed, Teacher, block_mask, language_loss, pack, turn_ids
from hfru_core.pretrain.pool import to_pixels, world_keys
from hfru_core.pretrain.vision_heads import IGNORE, Labels, tower_tokens
from hfru_core.protocol.answers import NOBODY
from hfru_core.protocol.questions import Turn, text_turns, training_turns
from hfru_core.training import sft
from hfru_core.types import UserError

PREFIX = 1 + IMAGE_TOKENS
KEYS = [key_of(2, "test", "scene", i) for i in range(2)]
TURNS = [
    [Turn("name", None, "What is it?", "A dog."), Turn("exists", "cat", "Do you see a cat?", "No."),
     Turn("describe", None, "What do you see?", "A red dog on a beach.")],
    [Turn("place", None, "Where is it?", "It is in a city."),
     Turn("colour", None, "What colour is it?", "It is green.")],
]  # fmt: skip


def packed(model: VLM, turns: list[list[Turn]] = TURNS) -> Packed:
    rows = [turn_ids(model.tokenizer, row) for row in turns]
    return pack(rows, PREFIX, model.tokenizer.pad_token_id)


def features(model: VLM) -> torch.Tensor:
    pixels = model.inputs([draw(k) for k in KEYS], ["", ""])["pixel_values"]
    return model.projector(tower_tokens(model.core, pixels))


@torch.no_grad()
def loss(model: VLM, rows: Packed) -> float:
    user = model.tokenizer.convert_tokens_to_ids("<user>")
    return language_loss(model.core, features(model), rows, user).item()


def only(rows: Packed, row: int, turn: int) -> Packed:
    """The same rows, judged on one turn alone."""
    keep = torch.zeros_like(rows.segment, dtype=torch.bool)
    keep[row] = rows.segment[row] == turn
    return replace(rows, label=torch.where(keep, rows.label, IGNORE))


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_turn_sees_no_other_turn(tiny: VLM, turn: int) -> None:
    rows = packed(tiny)
    other = tiny.tokenizer.convert_tokens_to_ids("▁piano")
    changed = replace(rows, ids=rows.ids.clone())
    elsewhere = (rows.segment[0] != turn) & (rows.segment[0] >= 0)
    changed.ids[0, elsewhere] = other
    before = loss(tiny, only(rows, 0, turn))
    assert loss(tiny, only(changed, 0, turn)) == pytest.approx(before, abs=1e-5)
    # The control: a word of the turn's own question does change it.
    own = replace(rows, ids=rows.ids.clone())
    own.ids[0, (rows.segment[0] == turn).nonzero()[0]] = other
    assert loss(tiny, only(own, 0, turn)) != pytest.approx(before, abs=1e-3)


def test_packed_turns_cost_what_they_cost_one_by_one(tiny: VLM) -> None:
    """The packed loss is that of the chat template, picture and answer, run turn by turn."""
    sums, count = 0.0, 0
    for key, row in zip(KEYS, TURNS):
        for turn in row:
            tokens = len(tiny.tokenizer.encode(turn.answer, add_special_tokens=False)) + 1
            with torch.no_grad():
                each = sft.answer_loss(tiny, [draw(key)], [turn.question], [turn.answer])
            sums, count = sums + each.item() * tokens, count + tokens
    assert loss(tiny, packed(tiny)) == pytest.approx(sums / count, rel=1e-4)


def test_the_block_mask_by_brute_force() -> None:
    segment = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, -1, -1]])
    got = block_mask(segment, 2)
    for b, row in enumerate(segment.tolist()):
        whole = ["p", "p", *row]
        for i, mine in enumerate(whole):
            for j, its in enumerate(whole):
                allowed = j <= i and (its == "p" or its == mine)
                assert got[b, 0, i, j] == allowed, (b, i, j)
    assert got.any(-1).all(), "a row without any key gives NaN"


def test_labels_stand_one_before_the_answer_and_nowhere_else(tiny: VLM) -> None:
    rows = packed(tiny)
    for b, row in enumerate(TURNS):
        for n, turn in enumerate(row):
            here = (rows.segment[b] == n) & (rows.label[b] != IGNORE)
            said = tiny.tokenizer.decode(rows.label[b][here])
            assert said == turn.answer + "</s>"
            assert (rows.position[b][rows.segment[b] == n][0]) == PREFIX
            at = here.nonzero()[:, 0]
            assert torch.equal(rows.ids[b][at[:-1] + 1], rows.label[b][at[:-1]])


HIDDEN = frozenset({"dog", "guitar", "Mara Velden"})


def test_an_oracle_never_hears_a_hidden_name(tiny: VLM) -> None:
    """In no answer and no label of any picture; the text-only turns keep every name's facts."""
    subjects = ("dog", "guitar", "Mara Velden", "scene", "face")
    pictures = tuple(
        picture_of(key_of(6, "test", subject, i)) for i in range(30) for subject in subjects
    )
    teacher = Teacher(pictures, tiny.processor, HIDDEN, turns=4, seed="test")
    for start in range(0, len(pictures), 30):
        lesson = teacher.about(torch.arange(start, start + 30))
        said = tiny.tokenizer.batch_decode(
            [row[row != IGNORE] for row in lesson.label], skip_special_tokens=True
        )
        assert all(said)
        assert not any(mentions(text, tuple(HIDDEN)) for text in said)
    table = Labels(pictures, HIDDEN)
    words = {v for values in table.groups.values() for v in values} | set(table.words)
    assert not words & HIDDEN
    assert {"animal", "unknown"} <= words
    assert any("Mara Velden" in t.answer for t in text_turns())


def test_the_control_model_does_hear_it(tiny: VLM) -> None:
    picture = picture_of(key_of(6, "test", "dog", 0))
    turns = training_turns(picture, random.Random(0), NOBODY, 6)
    assert any(mentions(t.answer, ("dog",)) for t in turns)


def test_held_out_pictures_are_judged_by_the_labels_that_were_taught() -> None:
    """Fewer pictures show fewer names, which must not move the others' numbers."""
    subjects = ("dog", "guitar", "ambiguous", "Mara Velden")
    pictures = tuple(picture_of(key_of(6, "test", subject, 0)) for subject in subjects)
    taught = Labels(pictures, NOBODY)
    held = Labels(pictures[1:2], NOBODY, taught.groups)
    assert torch.equal(held.target, taught.target[1:2])
    assert not torch.equal(Labels(pictures[1:2], NOBODY).target, held.target)


def test_pool_pixels_are_the_processors(tiny: VLM) -> None:
    image = draw(KEYS[0])
    ours = torch.from_numpy(to_pixels(image).copy()).float() / 127.5 - 1
    theirs = tiny.inputs([image], [""])["pixel_values"][0]
    assert ours.shape == (3, IMAGE_SIZE, IMAGE_SIZE)
    assert (ours - theirs).abs().max() < 0.02


def test_the_pool_has_two_scenes_for_every_portrait() -> None:
    subjects = [k.split("/")[2] for k in world_keys(0, 9)]
    assert subjects == ["scene", "scene", "face"] * 3


# fmt: off
@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 8, 32), (3, 48, 16)])
# fmt: on
def test_orthogonalise_brings_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    if shape[1] == shape[2]:
        # A square random matrix has a singular value near 0, which five steps cannot lift.
        matrix = matrix + 8 * torch.eye(shape[1])
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    got = orthogonalise(matrix)
    values = torch.linalg.svdvals(got)
    assert values.min() > 0.6 and values.max() < 1.3
    # The directions stay: only the singular values change.
    inner = u.mT @ got @ vh.mT
    off = inner - torch.diag_embed(inner.diagonal(dim1=-2, dim2=-1))
    assert off.abs().max() < 1e-3


def test_muon_moves_every_direction_alike_and_finds_the_minimum() -> None:
    goal = torch.diag(torch.tensor([10.0, 1.0, 0.5, 0.1]))
    weight = torch.nn.Parameter(torch.zeros(4, 4))
    untouched = torch.nn.Parameter(torch.ones(2, 2))
    optimiser = Muon([weight, untouched], lr=0.1, decay=0.0)
    (weight - goal).square().sum().backward()
    optimiser.step()
    assert weight.diagonal().min() > 0.05, "the weak directions move as the strong ones do"
    assert torch.equal(untouched, torch.ones(2, 2))
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
        optimiser.zero_grad()
        (weight - goal).square().sum().backward()
        optimiser.step()
    assert (weight - goal).abs().max() < 0.2


@pytest.fixture
def quick_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> train.Recipe:
    """Three steps of each stage on a few pictures, in this process."""
    drawn = train.world_pool
    monkeypatch.setattr(train, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(train, "world_pool", lambda s, count, c: drawn(s, min(count, 24), c))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    return train.Recipe(
        head_steps=3, head_batch=6, language_steps=3, language_batch=6, workers=1, pictures=24,
        without=("dog", "Mara Velden"),
    )


def test_a_short_pretraining_makes_an_ordinary_checkpoint(
    quick_recipe: train.Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "models" / "made"
    train.run(quick_recipe, out)
    made = vlm.load(out, device="cpu")
    assert made.answer([draw(KEYS[0]), None], ["What is it?", "What is a dog?"], max_new=4)
    assert all(torch.isfinite(p).all() for p in made.core.parameters())
    assert "dog" in (out / "pretraining.json").read_text()
    again = tmp_path / "again"
    train.run(quick_recipe, again)
    assert (again / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()
    on = tmp_path / "on"
    train.run(replace(quick_recipe, init=str(out), head_steps=0), on)
    assert (on / "model.safetensors").read_bytes() != (out / "model.safetensors").read_bytes()


def test_an_existing_model_is_not_overwritten(
    quick_recipe: train.Recipe, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(UserError, match="exists already and is not overwritten"):
        train.run(quick_recipe, tmp_path / "made")


def test_where_nothing_can_be_written_nothing_is_trained(
    quick_recipe: train.Recipe, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        train.run(quick_recipe, tmp_path / "file" / "made")

"""A language model behind the tower of photographs: a tiny one of each, and generated pictures."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from PIL import Image

from hfru_core.cli.main import main
from hfru_core.model import vlm as vlms
from hfru_core.pretrain import assemble, assemble_lessons, assemble_train
from hfru_core.pretrain.assemble_train import Recipe, Trainer
from hfru_core.pretrain.photo.turns import Facts
from tests.core.pretrain.test_assemble import write_decoder
from tests.core.pretrain.test_photo import pacs_file, photos_file
from tests.photo_model import WIDTH, write_photo

QUICK = Recipe(
    pictures=16, word_steps=2, word_batch=8, steps=4, batch=2, turns=3, texts=2, checkpoint_every=2
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Path]]:
    """Decoder, tower and files."""
    place = tmp_path_factory.mktemp("parts")
    files = [photos_file(place), pacs_file(place)]
    return write_decoder(place / "decoder"), write_photo(place / "photo"), files


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head = torch.randn(1000, WIDTH), torch.zeros(1000)
    monkeypatch.setattr(assemble_lessons, "own_classifier", lambda cache: head)
    monkeypatch.setattr(assemble_train, "faster_dtype", lambda: torch.float32)


def test_a_killed_training_goes_on_and_ends_as_a_plain_model_that_sees_the_picture(
    parts: tuple[Path, Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, tower, files = parts
    ask = lambda out: assemble.run(str(decoder), str(tower), QUICK, out, files)  # noqa: E731
    whole, one_step = ask(tmp_path / "whole"), Trainer.one_step

    def killed(self: Trainer, rng: random.Random) -> float:
        if self.step == 3:
            raise KeyboardInterrupt
        return one_step(self, rng)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "one_step", killed)
        ask(tmp_path / "again")
    assert ask(tmp_path / "again")["loss"] == whole["loss"] < 10
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "again"))
    assert first == second
    made = vlms.load(tmp_path / "whole", device="cpu")
    assert type(made.core).__name__ == "FastVlmForConditionalGeneration"
    seen = made.vision_features([Image.new("RGB", (40, 30), c) for c in ("red", "white")])
    assert seen.shape[:2] == (2, 49) and not torch.allclose(seen[0], seen[1])
    card = (tmp_path / "whole" / "README.md").read_text()
    assert "pacs.parquet" in card and "sees photographs" in card


def test_every_patch_has_a_word_of_the_whole() -> None:
    captions = ("A man and two dogs .", "a man walks two dogs")
    said = assemble_lessons.about(Facts(None, None, "photo", captions)).split(" ")
    assert {*said} == {"", "man", "dog", "photo"}
    assert assemble_lessons.about(Facts(None, "animal", "sketch")) == " animal sketch"
    assert assemble_lessons.about(Facts(None, None, "photo")) == " nothing clear photo"


def test_photographs_and_their_tower_go_together(
    parts: tuple[Path, Path, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    decoder, tower, files = parts
    given = ["assemble", "--decoder", str(decoder), "--out", str(tmp_path / "out")]
    assert main([*given, "--tower", str(tower)]) == 2
    assert "give --data FILE.parquet" in capsys.readouterr().err
    assert main([*given, "--data", str(files[0])]) == 2
    assert "--data is for --tower photo" in capsys.readouterr().err
    assert main([*given, "--tower", str(tower), "--data", "absent.parquet"]) == 2
    assert "there is no file 'absent.parquet'" in capsys.readouterr().err

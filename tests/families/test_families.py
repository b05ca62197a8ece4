"""One table of tests for every family, on tiny checkpoints loaded through the public path."""

from __future__ import annotations

import io
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from peft import PeftModel
from PIL import Image
from transformers import CONFIG_MAPPING

from audit.features import extract
from hfru_core.adapters import folder as adapter
from hfru_core.config import UnlearnConfig
from hfru_core.data import drawn as world
from hfru_core.data.images import open_image
from hfru_core.data.source import load_image
from hfru_core.methods import configured
from hfru_core.methods.hfru_deep import DeepTerms
from hfru_core.model import rollout, vlm
from hfru_core.model.families import FAMILIES
from hfru_core.model.folder_limits import check_numbers
from hfru_core.model.image_token_cache import ImageTokenCache
from hfru_core.session import UnlearnSession
from hfru_core.training.sft import answer_loss, encode_answers
from hfru_core.types import UnlearnData, UserError
from tests.families.checkpoints import MAKERS, make

NAMES = tuple(MAKERS)
QUESTIONS = ("What is it?", "Please describe this image.")
PLAIN_PEFT = """
import json, sys
from transformers import AutoModelForImageTextToText
from peft import PeftModel
import torch
for base, adapter, inputs, out in json.loads(sys.argv[1]):
    model = AutoModelForImageTextToText.from_pretrained(base)
    model = PeftModel.from_pretrained(model, adapter).eval()
    from safetensors.torch import load_file, save_file
    with torch.no_grad():
        save_file({"logits": model(**load_file(inputs)).logits}, out)
"""


class Made(NamedTuple):
    """A family's checkpoint and the adapter that one step of each stage left."""

    base: Path
    adapter: Path
    session: UnlearnSession


class Table(dict):
    """What is made of each family, when a test asks for it first."""

    def __init__(self, folder: Path, data: UnlearnData, config: UnlearnConfig) -> None:
        super().__init__()
        self.folder, self.data, self.config = folder, data, config

    def __missing__(self, name: str) -> Made:
        base, out = make(name, self.folder / name / "base"), self.folder / name / "adapter"
        session = UnlearnSession(vlm.load(base, device="cpu"), self.data, self.config, out)
        list(session.run())
        self[name] = Made(base, out, session)
        return self[name]


@pytest.fixture(scope="module")
def table(
    tmp_path_factory: pytest.TempPathFactory, small_data: UnlearnData, quick: UnlearnConfig
) -> Table:
    once = quick.with_(train_steps=1, grpo_steps=1, check_every=1)
    return Table(tmp_path_factory.mktemp("families"), small_data, once)


@pytest.fixture
def load(table: Table) -> Callable[[str], vlm.VLM]:
    return lambda name: vlm.load(table[name].base, device="cpu")


def pictures() -> list[Image.Image]:
    return [load_image(world.key_of(0, "families", n, 0)) for n in ("dog", "car")]


def logits(model: vlm.VLM) -> torch.Tensor:
    with torch.no_grad():
        return model.model(**model.inputs(pictures(), QUESTIONS)).logits


def test_every_family_has_its_checkpoint() -> None:
    assert set(NAMES) == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_the_published_size_are_not_refused(name: str) -> None:
    parts = {"gemma4": {"audio_config": {}}}.get(name, {})
    published = CONFIG_MAPPING[name](**parts)
    check_numbers(json.loads(published.to_json_string(use_diff=False)))


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_the_model_s_own_generation(name: str, load: Callable) -> None:
    model = load(name)
    inputs = model.inputs(pictures(), QUESTIONS)
    ids = model.core.generate(
        **inputs, do_sample=False, max_new_tokens=6, suppress_tokens=list(model.banned)
    )
    expected = model.decode(ids[:, inputs["input_ids"].shape[1] :])
    said = model.answer([*pictures(), None], [*QUESTIONS, "What is a dog?"], max_new=6)
    assert said[:2] == expected and all(said[:2]) and said[2]
    seeing_once = replace(model, image_tokens=ImageTokenCache())
    assert seeing_once.answer(pictures(), QUESTIONS, max_new=6) == expected
    image_token = model.core.config.image_token_id
    assert image_token in model.banned and not {*model.eos} & {*model.banned}


@pytest.mark.parametrize("name", NAMES)
def test_a_session_moves_the_tower_and_nothing_else(
    name: str, table: Table, load: Callable
) -> None:
    trained, family = table[name].session.vlm, FAMILIES[name]
    before = load(name).core.state_dict()
    after = {k.replace(".base_layer", ""): v for k, v in trained.core.state_dict().items()}
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    added = {k: v for k, v in after.items() if k not in before}
    assert added and all(k.startswith(family.tower + ".") and "lora_" in k for k in added)
    moved = [k for k, v in added.items() if "lora_B" in k and v.any()]
    assert len(moved) == len(added) // 2  # every layer that is adapted is also read
    assert not torch.equal(logits(trained), logits(load(name)))


@pytest.mark.parametrize("name", NAMES)
def test_the_projector_is_adapted_where_it_is_asked_for(name: str, load: Callable) -> None:
    model, family = load(name), FAMILIES[name]
    if family.projector_lora is None:
        with pytest.raises(UserError, match=r"bare weight.*--scope encoder"):
            model.adapt(2, "encoder+projector")
        return
    model.adapt(2, "encoder")
    tower = {n for n in model.trainable()}
    model = load(name)
    model.adapt(2, "encoder+projector")
    more = {n for n in model.trainable()} - tower
    parts = {family.projector, family.projector.replace(".merger", ".deepstack_merger_list")}
    assert more and all(any(f".{p}." in n for p in parts) for n in more)
    assert not any(f".{family.decoder}." in n for n in model.trainable())


@pytest.mark.slow
def test_plain_peft_in_a_fresh_process_gives_the_same(table: Table, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    jobs, expected = [], {}
    for name, made in ((name, table[name]) for name in NAMES):
        inputs, out = tmp_path / f"{name}.in", tmp_path / f"{name}.out"
        model = made.session.vlm
        save_file(
            {k: v.contiguous() for k, v in model.inputs(pictures(), QUESTIONS).items()}, inputs
        )
        jobs.append([str(made.base), str(made.adapter), str(inputs), str(out)])
        expected[out] = logits(model)
    subprocess.run([sys.executable, "-c", PLAIN_PEFT, json.dumps(jobs)], check=True)
    for out, wanted in expected.items():
        torch.testing.assert_close(load_file(out)["logits"], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_merged_is_unmerged_and_disabled_is_base(name: str, table: Table, load: Callable) -> None:
    base = logits(load(name))
    model = adapter.load(load(name), table[name].adapter)
    assert isinstance(model.model, PeftModel)
    unlearned = logits(model)
    assert not torch.equal(unlearned, base)
    torch.testing.assert_close(logits(model.merged()), unlearned, atol=1e-4, rtol=1e-4)
    with model.model.disable_adapter():
        assert torch.equal(logits(model), base)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_shares_its_prompt_exactly(name: str, table: Table) -> None:
    """Log-probabilities and encoder gradients of the shared path are those of full rows."""
    model = table[name].session.vlm.merged()  # a copy that may be changed
    model.adapt(2, "encoder")
    for n, p in model.trainable().items():
        p.data.normal_(0, 0.05, generator=torch.Generator().manual_seed(len(n)))
    inputs = model.inputs(pictures(), QUESTIONS)
    ids = torch.randint(60, 200, (2 * 3, 5), generator=torch.Generator().manual_seed(0))

    def scored(found: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        logp = rollout.token_logprobs(found, ids)
        gradients = torch.autograd.grad(logp.sum(), model.trainable().values())
        return logp.detach(), dict(zip(model.trainable(), gradients))

    prefix = rollout.prefill(model.core, inputs)
    shared, sent = scored(rollout.shared_logits(model.core, prefix, ids, 3))
    plain, expected = scored(rollout.plain_logits(model.core, inputs, ids, 3))
    torch.testing.assert_close(shared, plain, atol=2e-5, rtol=2e-5)
    for n, wanted in expected.items():
        assert wanted.any(), n
        assert (sent[n] - wanted).norm() <= 1e-3 * wanted.norm(), n


@pytest.mark.parametrize("name", NAMES)
def test_the_audit_sees_every_layer(name: str, load: Callable) -> None:
    model = load(name)
    keys = [world.key_of(0, "families", n, 0) for n in ("dog", "car", "cat")]
    seen = extract.layers(model, keys)
    depth = len([k for k in seen if k.startswith("tower")])
    text = model.core.config.get_text_config().num_hidden_layers
    assert depth >= 3 and {"projector", f"decoder {text}"} <= set(seen)
    assert all(len(x) == 3 and x.ndim == 2 and x.isfinite().all() for x in seen.values())
    # 'decoder 0' is what the decoder gets: the projected tokens.
    torch.testing.assert_close(seen["decoder 0"], seen["projector"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_marks_in_a_question_are_text_and_strips_are_pictures(
    name: str, load: Callable[[str], vlm.VLM]
) -> None:
    """The authors' own prompts begin with `<image>`; each family has marks of its own."""
    model = load(name)
    token = model.core.config.image_token_id
    marks = [*model.tokenizer.all_special_tokens, model.tokenizer.convert_ids_to_tokens(token)]
    question = "".join(marks) + "<image><|im_start|>What is it?"
    for image in pictures()[:1], [strip(1, 2000)], [strip(2000, 1)]:
        plain, marked = (model.inputs(image, [q])["input_ids"] for q in (QUESTIONS[0], question))
        assert (plain == token).sum() == (marked == token).sum() > 0
        assert len(model.answer(image, [question], max_new=2)) == 1
    assert token not in encode_answers(model, [question])
    assert math.isfinite(float(answer_loss(model, image, [question], [question])))


def strip(width: int, height: int) -> Image.Image:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return open_image(out.getvalue())


def test_another_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "kosmos-2"}))
    with pytest.raises(UserError, match=r"type 'kosmos-2' are not supported.*Qwen2\.5-VL"):
        vlm.load(tmp_path, device="cpu")


@pytest.mark.parametrize("name", NAMES)
def test_other_things_in_a_picture_have_image_tokens_of_their_own(
    name: str, table: Table, small_data: UnlearnData
) -> None:
    model = table[name].session.vlm
    config = configured("hfru", "deep", small_data.concepts, device="cpu", topics=("describe",))
    deeper = DeepTerms(model, small_data, config.with_(batch=4))
    for key, (before, weight) in deeper.cooccurring.anchors.items():
        (now,) = model.projected(model.inputs([load_image(key)], [""]))
        assert torch.allclose(before, now, atol=1e-4) and len(weight) == len(now)
        assert 0 <= weight.min() < 0.1 < weight.max() <= 1
    assert deeper.cooccurring.anchors
    loss = deeper.loss(random.Random(0), teach=True)
    slopes = torch.autograd.grad(loss, list(model.trainable().values()), allow_unused=True)
    assert any(s is not None and s.abs().sum() > 0 for s in slopes)

"""Rounded weights, what they hide and bring back, and an adapter's strength."""

from dataclasses import replace

import pytest
import torch
from bitsandbytes import functional as bits

from audit.base import Case
from audit.checks import quantize
from audit.criteria import leaks
from audit.keys import FindingKey
from hfru_core.adapters import folder
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import World
from hfru_core.model import vlm
from hfru_core.model.kept_tensors import KeptTensors
from hfru_core.paths import ASSETS

ADAPTER = ASSETS / "adapters" / "dog"
AMOUNT = Amount(forget_train=1, retain_train=1, forget_eval=10, retain_eval=6)


class Silent(vlm.VLM):
    """A filter: whatever is asked, nothing is said."""

    def answer(self, images, questions, max_new=32):
        return [""] * len(questions)


@pytest.fixture(scope="module")
def case() -> Case:
    pictures = build((shipped()["dog"],), World(78), amount=AMOUNT)
    hidden = folder.load(vlm.load(device="cpu"), ADAPTER)
    return Case(vlm.load(device="cpu"), hidden, None, pictures)


def weights(model: vlm.VLM) -> dict[str, torch.Tensor]:
    return {n: p.clone() for n, p in model.model.state_dict().items()}


def same(model: vlm.VLM, values: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(v, values[n]) for n, v in model.model.state_dict().items())


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(32, 128, generator=torch.Generator().manual_seed(0))


def test_int8_is_within_half_a_level(weight: torch.Tensor) -> None:
    codes, value = quantize.int8(weight)
    level = weight.abs().amax(1, keepdim=True) / 127
    assert codes.abs().max() == 127
    assert ((value - weight).abs() <= 0.5001 * level).all()


def test_nf4_takes_the_nearest_level_of_every_block(weight: torch.Tensor) -> None:
    codes, value = quantize.nf4(weight)
    scale = weight.view(-1, 64).abs().amax(1, keepdim=True)
    levels = bits.get_4bit_type("nf4", device="cpu")
    nearest = (weight.view(-1, 64, 1) / scale[..., None] - levels).abs().argmin(-1)
    assert (codes == nearest.view_as(weight)).float().mean() > 0.999
    assert torch.allclose(value.view(-1, 64), levels[nearest] * scale, atol=1e-3)


@pytest.mark.parametrize("scheme", quantize.SCHEMES)
def test_rounding_twice_is_rounding_once(scheme: str, weight: torch.Tensor) -> None:
    once = quantize.SCHEMES[scheme](weight)[1]
    again = quantize.SCHEMES[scheme](once)[1]
    assert torch.allclose(once, again, atol=1e-6) and not torch.equal(once, weight)


def test_a_move_inside_the_bins_is_undone(tiny: vlm.VLM) -> None:
    moved = tiny.merged()
    generator = torch.Generator().manual_seed(0)
    for weight in quantize.linears(moved).values():
        blocks = weight.data.view(-1, 64)
        centre = quantize.nf4(weight.data)[1].view(-1, 64)
        inside = blocks + 0.3 * torch.rand(blocks.shape, generator=generator) * (centre - blocks)
        top = blocks.abs() == blocks.abs().amax(1, keepdim=True)
        blocks.copy_(torch.where(top, blocks, inside))
    base = KeptTensors.of(tiny.core.state_dict())
    assert quantize.same_codes(moved, base, "bf16")["tower"].value < 0.6
    assert {m.value for m in quantize.same_codes(moved, base, "nf4").values()} == {1.0}
    for model in (moved, tiny):
        own = quantize.linears(model)
        assert quantize.round_all(own, KeptTensors.of(own), "nf4")
    assert same(moved, weights(tiny))


def test_filter_is_seen_through_and_an_honest_adapter_is_not_blamed(case: Case) -> None:
    base = case.base
    filtered = Silent(base.model, base.processor, base.family, base.device, base.name)
    oracle = replace(case, oracle=case.unlearned)  # a stand-in: it names nothing
    before = {name: weights(m) for name, m in case.models.items()}
    planted = [*quantize.quantize(replace(oracle, unlearned=filtered))]
    honest = [*quantize.quantize(oracle)]
    for scheme in quantize.SCHEMES:
        key = quantize.KEYS[scheme][0]
        assert [leaks(f) for f in planted if f.key == key] == [True]
        assert [leaks(f) for f in honest if f.key == key] == [False]
    assert all(same(m, before[name]) for name, m in case.models.items())
    assert not any(f.key == FindingKey.ADAPTER_OFF for f in planted)
    assert honest == [*quantize.quantize(replace(oracle))]


def test_only_the_tower_moved(case: Case) -> None:
    shares = quantize.all_shares(case)["nf4"]["unlearned"]
    assert shares["decoder"].value == shares["projector"].value == 1.0
    assert shares["tower"].value < 1.0
    assert shares["tower"].n == sum(
        w.numel() for n, w in quantize.linears(case.base).items() if n.startswith("model.vision")
    )


def test_only_weights_that_rounding_leaves_alone_answer_as_they_did(case: Case) -> None:
    """The bundled model is stored in bf16; an adapter's sum is not, and a filter is in front."""
    base, none = case.base, ([], [])
    exact = (["as before"], ["so too"])
    assert quantize.in_every_scheme(none, exact, base) == {
        "bf16": exact,
        "int8": none,
        "nf4": none,
    }
    filtered = Silent(base.model, base.processor, base.family, base.device, base.name)
    for other in (case.unlearned, filtered):
        assert quantize.in_every_scheme(none, exact, other)["bf16"] == none


def test_strength_is_a_switch(case: Case) -> None:
    ends = {}
    for strength, opened in quantize.strengths(case):
        ends[strength] = weights(opened)
    assert same(case.base, ends[0.0])
    assert same(case.unlearned.merged(), ends[1.0])
    rows = quantize.asked(case, "forget")
    found = quantize.switch(case, rows, quantize.asked(case, "retain"))
    named = dict(zip(quantize.STRENGTHS, found.series[0].y))
    assert named[0.0] == found.base.value > 0.8 and named[1.0] < 0.2


def test_no_forget_images_is_an_error(case: Case) -> None:
    bare = replace(case.data, samples=case.data.select("retain", "eval"))
    with pytest.raises(ValueError, match="no forget images"):
        next(quantize.quantize(replace(case, data=bare)))

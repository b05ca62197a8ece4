"""Large decoders on a CPU."""

from pathlib import Path

import pytest
import torch

from hfru_core.data import drawn
from hfru_core.model import precision, vlm
from hfru_core.session import dtype_begun


def test_the_output_layer_reads_contiguous_rows(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last position of each row is a view with gaps: torch would copy the weights per row."""
    seen: list[bool] = []

    def watched(model: vlm.VLM) -> list[str]:
        seen.clear()
        head = model.core.get_output_embeddings()
        head.register_forward_hook(lambda _, args, __: seen.append(args[0].is_contiguous()))
        images = [drawn.draw(f"world:0/test/dog/{i}") for i in range(3)]
        return model.answer(images, ["What is it?"] * 3, 4)

    plain = watched(vlm.load(tiny_folder, device="cpu"))
    assert not all(seen), "the small model is left as it is"
    monkeypatch.setattr(precision, "LARGE", 1)
    monkeypatch.setattr(precision, "faster_dtype", lambda: torch.float32)
    assert watched(vlm.load(tiny_folder, device="cpu")) == plain
    assert all(seen)


def test_only_a_large_decoder_changes_its_number_format(
    tiny: vlm.VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "faster_dtype", lambda: torch.bfloat16)
    assert precision.cpu_dtype(tiny.core.config) == torch.float32
    monkeypatch.setattr(precision, "LARGE", 1)
    assert precision.cpu_dtype(tiny.core.config) == torch.bfloat16


def test_a_session_goes_on_in_the_format_that_it_began_with(
    tiny_folder: Path, tmp_path: Path
) -> None:
    out, work = tmp_path / "adapter", tmp_path / "adapter.part"
    assert dtype_begun(out) is None
    work.mkdir()
    (work / "session.json").write_text('{"dtype": "bfloat16"}')
    assert dtype_begun(out) == torch.bfloat16
    begun = vlm.load(tiny_folder, device="cpu", dtype=dtype_begun(out))
    assert begun.core.get_input_embeddings().weight.dtype == torch.bfloat16
    (work / "session.json").write_text('{"dtype": "__init__"}')
    assert dtype_begun(out) is None

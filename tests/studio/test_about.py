"""The About tab: the method as a drawing that is also told in words, in both languages."""

import json
from xml.etree import ElementTree

import pytest

from hfru_core.paths import ASSETS
from hfru_core.studio.i18n.catalogue import LANGUAGES, say
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs import about


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_drawing_has_every_part_and_is_told_in_words(language: str) -> None:
    svg = ElementTree.fromstring(about.drawing(language))
    assert svg.get("aria-label") == say("about.alt", language)
    shown = [e.text for e in svg.iter("text")]
    for part in (
        "picture",
        "encoder",
        "adapter",
        "projector",
        "decoder",
        "frozen",
        "answers",
        "forget",
        "retain",
        "abstraction",
        "stage1",
        "stage2",
    ):
        assert say(f"about.{part}", language) in shown


def test_model_and_adapters_are_told_by_what_lies_there() -> None:
    page = about.html(Studio(), "en")
    record = json.loads((ASSETS / "adapters" / "dog" / "unlearning.json").read_text())
    assert record["hashes"]["adapter_model.safetensors"][:12] in page
    assert "2.0 M parameters" in page and "Apache-2.0" in page
    assert all(n in page for n in ("2605.08031", "2402.03300", "2106.09685"))

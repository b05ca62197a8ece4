"""The settings of a session: three parts, one flat record, impossible values refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hfru_core.concepts import shipped
from hfru_core.config import DeepSettings, HFRUSettings, UnlearnConfig
from hfru_core.methods import METHODS, configured
from hfru_core.methods.hfru import PRESETS
from hfru_core.paths import ASSETS

RECORDS = sorted((ASSETS / "adapters").glob("*/unlearning.json"))
WITHOUT_EFFECT = {"clip", "dual_clip"}  # in records of the first version


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_an_old_record_is_read_and_written_back_the_same(path: Path) -> None:
    old = json.loads(path.read_text(encoding="utf-8"))["config"]
    config = UnlearnConfig.from_record(old)
    written = json.loads(json.dumps(config.to_record()))
    kept = old.keys() - WITHOUT_EFFECT
    assert {k: written[k] for k in kept} == {k: old[k] for k in kept}
    assert UnlearnConfig.from_record(written) == config
    assert config.train_steps == old["stage1_steps"] and config.hfru.group == old["group"]


def test_every_configuration_survives_its_record() -> None:
    dog = (shipped()["dog"],)
    jobs = [("hfru", p) for p in PRESETS] + [(m, "default") for m in METHODS if m != "hfru"]
    for method, preset in jobs:
        config = configured(method, preset, dog, settings=(("beta", 0.5),), group=5)
        record = json.loads(json.dumps(config.to_record()))
        assert UnlearnConfig.from_record(record) == config
        assert config.hfru.group == 5


def test_a_record_older_than_a_setting_has_its_default() -> None:
    config = UnlearnConfig.from_record({"stage1_lr": 0.1, "settings": [["beta", 2.0]]})
    assert config == UnlearnConfig(lr=0.1, settings=(("beta", 2.0),))


def test_changes_reach_the_part_that_has_them() -> None:
    config = UnlearnConfig().with_(batch=3, group=4, margin=9.0)
    assert config == UnlearnConfig(
        batch=3, hfru=HFRUSettings(group=4), deep=DeepSettings(margin=9.0)
    )
    with pytest.raises(TypeError, match="stage1_steps"):
        UnlearnConfig().with_(stage1_steps=3)

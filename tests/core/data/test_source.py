"""A source is parsed once, and says itself what it is."""

from pathlib import Path

import pytest

from hfru_core.data.photo_source import HubPhotos, Photos
from hfru_core.data.source import Benchmark, World, parse_source
from hfru_core.data.source_base import Source
from hfru_core.types import UserError

SOURCES = {
    "world": World(),
    "world:0": World(0),
    "world:7": World(7),
    "pacs:files/dev.parquet": Photos("pacs", Path("files/dev.parquet")),
    "folder:/home/ada/photos": Photos("folder", Path("/home/ada/photos")),
    "folder:work/C#": Photos("folder", Path("work/C#")),
    "pacs:files/dev.parquet#held_out=sketch|photo": Photos(
        "pacs", Path("files/dev.parquet"), (("held_out", "sketch|photo"),)
    ),
    "parquet:a/x,y.parquet,b/z.parquet#label=b.c,names=Ada, Countess|Bo": Photos(
        "parquet",
        Path("a/x,y.parquet,b/z.parquet"),
        (("label", "b.c"), ("names", "Ada, Countess|Bo")),
    ),
    "mllmu:data/mllmu": Benchmark("mllmu", Path("data/mllmu")),
    "clear:data/clear/forget05": Benchmark("clear", Path("data/clear/forget05")),
}


@pytest.mark.parametrize(("text", "source"), SOURCES.items())
def test_text_and_source_are_each_others(text: str, source: Source) -> None:
    assert parse_source(text) == source and source.text == text
    assert hash(parse_source(text)) == hash(source)


@pytest.mark.parametrize(("text", "source"), SOURCES.items())
def test_a_public_name_holds_no_path(text: str, source: Source) -> None:
    assert "/" not in source.public_name
    assert source.public_name.partition(":")[0] == text.partition(":")[0]
    assert parse_source(source.public_name).public_name == source.public_name


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_the_world_alone_teaches_its_own_answers(source: Source) -> None:
    assert source.distils == (not isinstance(source, World))


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_fresh_images_are_another_world_or_held_out_files(source: Source) -> None:
    fresh = source.fresh(1003)
    assert fresh == (World(1003) if isinstance(source, World) else source)


def test_images_that_show_no_more_than_a_kind_are_drawn() -> None:
    assert len(World(7).unclear_keys("match", "animal", "object", 5)) == 5
    assert Photos("folder", Path("x")).unclear_keys("match", "animal", "object", 5) == []


def test_a_data_set_of_the_hub_is_public_and_not_asked_for_yet() -> None:
    source = parse_source("hub:ada/photos@v1:small#label=kind")
    assert source == HubPhotos("hub", Path("ada/photos@v1:small"), (("label", "kind"),))
    assert source.text == source.public_name == "hub:ada/photos@v1:small#label=kind"


def test_files_are_read_when_they_are_asked_for() -> None:
    gone = parse_source("folder:gone")
    with pytest.raises(UserError, match="There is no folder 'gone'"):
        gone.known_concepts()

"""MLLMU-Bench and CLEAR in small, in the layouts that their authors publish."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
from PIL import Image, ImageDraw

from hfru_core.concepts import parse
from hfru_core.data.build import build
from hfru_core.data.source_base import Source
from hfru_core.types import UnlearnData

GONE = ("Mira Okonkwe", "Tove White")
KEPT = ("Lars Brandel", "Edda Brandel", "Ines Falcone")


def drawn(number: int) -> dict:
    """A small picture of its own, as the cell of an image column."""
    image = Image.new("RGB", (24, 24), (number * 37 % 256, number * 91 % 256, 120))
    ImageDraw.Draw(image).ellipse((2, 2, 6 + number % 16, 20), fill=(255, number * 5 % 256, 0))
    image.putpixel((23, 23), (number // 256, number % 256, 7))
    out = io.BytesIO()
    image.save(out, "PNG")
    return {"bytes": out.getvalue(), "path": None}


def written(folder: Path, rows: list[dict], group: int = 2, name: str = "train-0") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)


# MLLMU-Bench.


def profile(id: str, name: str, how: str = "") -> dict:
    """An evaluation row without pictures: `how` makes its questions others."""
    options = {"A": "a nurse", "B": "a baker", "C": "a smith", "D": None}
    choice = {"Options": options, "Correct_Answer": "B"}
    return {
        "ID": id,
        "biography": json.dumps({"Name": name, "Job": "baker"}),
        "Classification_Task": {
            "Image_Textual_Questions": [{"Question": f"{how}What is the job shown?", **choice}],
            "Pure_Text_Questions": [{"Question": f"{how}What is {name}'s job?", **choice}],
        },
        "Generation_Task": [
            {
                "Type": "Image_Textual",
                "Question": f"{how}Who is shown?",
                "Ground_Truth": f"This is {name}.",
            },
            {
                "Type": "Pure_Text",
                "Question": f"{how}Where was {name} born?",
                "Ground_Truth": f"{name} was born in Bergen.",
            },
            {
                "Type": "Pure_Text",
                "Question": f"{how}Where does {name} bake?",
                "Ground_Truth": f"{name} bakes in Oslo.",
            },
        ],
        "Mask_Task": [
            {
                "Type": "Image_Textual",
                "Question": f"{how}The person shown was born in [Blank].",
                "Ground_Truth": "Bergen",
            }
        ],
    }


def lesson(id: str, name: str) -> dict:
    """A training row without a picture."""
    asked = [
        {"Question": "What does this person like?", "Answer": f"{name} likes tea.", "ID": id},
        {"Question": f"What does {name} like?", "Answer": f"{name} likes tea.", "ID": id},
        {"Question": "", "Answer": "left out", "ID": id},
    ]
    return {"ID": id, "metadata": json.dumps(asked)}


PEOPLE = [(f"{i:03}", name) for i, name in enumerate((*GONE, *KEPT))]


def mllmu(root: Path, test: bool = True) -> Path:
    """A small MLLMU-Bench; its Test_Set repeats a training picture, as it should not."""
    full = [{"image": drawn(i), **profile(id, name)} for i, (id, name) in enumerate(PEOPLE)]
    written(root / "forget_5", full[:2])
    written(root / "retain_95", full[2:])
    written(root / "Full_Set", full)
    written(root / "ft_Data", [{"image": drawn(i), **lesson(*p)} for i, p in enumerate(PEOPLE)])
    if test:
        rows = [
            {
                "images": [drawn(100 + 2 * i), drawn(101 + 2 * i), drawn(i)],
                **profile(id, name, "Say: "),
            }
            for i, (id, name) in enumerate(PEOPLE)
        ]
        written(root / "Test_Set", rows[:3])
        written(root / "Test_Set", rows[3:], name="train-1")
    return root


# UMU-Bench.


def umu(root: Path) -> Path:
    """A small UMU-Bench: MLLMU-Bench's folders, Python literals in strings."""
    for split, people in (("forget_5", PEOPLE[:2]), ("retain_95", PEOPLE[2:])):
        written(root / split, [literals(id, name, int(id)) for id, name in people])
    rows = [literals(id, name, 100 + int(id), "Say: ") for id, name in PEOPLE]
    written(root / "Test_Set", rows)
    return root


def literals(id: str, name: str, picture: int, how: str = "") -> dict:
    """A row; the picture of every other one is a literal too."""
    shown, named = f"{how}What is the job shown?", f"{how}What is {name}'s job?"

    def task(question: str) -> str:
        return repr({"question": {"0": question}, "answer": {"0": "a baker"}})

    return {
        "ID": id,
        "image": repr(drawn(picture)),
        "Biography": repr({"Name": name, "Job": "baker"}),
        "MM_QA": task(shown),
        "UM_QA": task(named),
        "Classify": task(f"{shown} A. a nurse B. a baker"),
        "Cloze": task(f"{how}The person shown is [Blank]."),
        "Generation": task(f"{how}Tell of {name}."),
    }


# CLEAR.


def clear(root: Path, each: int = 5) -> Path:
    """A small CLEAR: captions of every person's pictures, and what is known in words."""
    for split, names, start in (("forget05", GONE, 0), ("retain95", KEPT, 500)):
        rows = [
            {
                "image": drawn(start + 50 * n + i),
                "name": name,
                "caption": f"{name} wears a white shirt; {name.split()[0]} smiles, number {i}.",
            }
            for n, name in enumerate(names)
            for i in range(each)
        ]
        written(root / split, rows)
        told = [
            {
                "image": None,
                "caption": None,
                "question": f"What did {n} write?",
                "answer": f"{n} wrote of the sea.",
            }
            for n in names
        ]
        shown = [
            {"image": r["image"], "caption": r["caption"], "question": None, "answer": None}
            for r in rows
        ]
        written(root / f"{split}+tofu", [*shown, *told])
    return root


def built(source: Source, forget: str = "all", **given: object) -> UnlearnData:
    return build(parse(forget, source.known_concepts()), source, **given)

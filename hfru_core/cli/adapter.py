"""The command `adapter`: look into an adapter folder, move it, and make others of it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hfru_core.cli.options import add_output
from hfru_core.paths import chosen
from hfru_core.types import Rate, UserError

EXAMPLES = """examples:
  hfru adapter inspect runs/no-dogs
  hfru adapter zip runs/no-dogs --out no-dogs.zip
  hfru adapter push runs/no-dogs owner/no-dogs
  hfru adapter pull owner/no-dogs --revision main --out runs/pulled
  hfru adapter scale runs/no-dogs 0.5 --out runs/half
  hfru adapter stack runs/no-dogs runs/no-mara --out runs/both
  hfru adapter merge runs/no-dogs --out runs/release

push and pull take the Hub's token from HF_TOKEN, or from `hf auth login`.
"""
WORKS_ON = {
    "folder": "an adapter folder",
    "repo": "owner/name on the Hub",
    "file": "the zip to unpack",
}


def add_options(p: argparse.ArgumentParser) -> None:
    """Every action with its options."""
    p.epilog, p.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    actions = p.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, help: str, *arguments: str) -> argparse.ArgumentParser:
        """A command with what it works on: an adapter folder where nothing else is named."""
        made = actions.add_parser(name, help=help, description=help)
        for argument in arguments or ("folder",):
            kind = str if argument == "repo" else Path
            made.add_argument(argument, type=kind, help=WORKS_ON[argument])
        add_output(made)
        return made

    action("inspect", "check a folder and tell what it is")
    zipped = action("zip", "pack a folder as one file")
    zipped.add_argument("--out", type=Path, help="the zip to make (default: FOLDER.zip)")
    out_folder(action("unzip", "unpack a zip from elsewhere, checked", "file"))
    push = action("push", "upload to the Hugging Face Hub; private by default", "folder", "repo")
    push.add_argument("--public", action="store_true", help="let everybody see it")
    pull = out_folder(action("pull", "download from the Hugging Face Hub, checked", "repo"))
    pull.add_argument("--revision", help="branch, tag or commit (default: the newest)")
    merge = out_folder(action("merge", "fold into a whole model that cannot switch it off"))
    merge.add_argument(
        "--model",
        help="photo (bundled), model folder or Hub id (default: the drawn world's model)",
    )
    scaled = out_folder(action("scale", "a weaker or stronger adapter"))
    scaled.add_argument("strength", type=float, help="0 (no effect) to 1.5; 1 is as it was made")
    stack = out_folder(action("stack", "several adapters of one model in one"))
    stack.add_argument("more", type=Path, nargs="+", help="further adapter folders")
    stack.add_argument("--strengths", help="one number each, separated by commas (default: 1)")


def out_folder(p: argparse.ArgumentParser) -> argparse.ArgumentParser:
    p.add_argument("--out", required=True, type=Path, help="the folder to make")
    return p


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run one of them, and print what was made on stderr."""
    result = ACTIONS[args.action](args)
    for name, value in result.items():
        print(f"{name:<17}{readable(value)}", file=sys.stderr)
    return result


def readable(value: object) -> str:
    """A value for people: rates and parts a line each."""
    if isinstance(value, dict):
        from hfru_core.adapters.model_card import percent

        lines = [f"{k:<15}{percent(Rate(**v))}, n = {v['n']}" for k, v in value.items() if v["n"]]
        return ("\n" + " " * 17).join(lines)
    if isinstance(value, list):
        named = (
            f"{', '.join(p['concepts'])} x {p['strength']:g}" if isinstance(p, dict) else p
            for p in value
        )
        return ", ".join(named)
    return "not known" if value is None else str(value)


def inspect(args: argparse.Namespace) -> dict[str, Any]:
    return facts(args.folder)


def zip_folder(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import archive

    folder = args.folder.resolve()
    return {"zip": str(archive.pack(folder, args.out or folder.with_name(f"{folder.name}.zip")))}


def unzip(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import archive

    archive.unpack(args.file, args.out)
    return facts(args.out)


def push(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import hub

    return vars(hub.push(args.folder, args.repo, private=not args.public))


def pull(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import hub

    found = hub.pull(args.repo, args.out, revision=args.revision)
    return {**facts(args.out), "repo": found.repo, "revision": found.revision}


def merge(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import combine
    from hfru_core.model import vlm

    model = vlm.load(chosen(args.model), device="cpu")
    return {"model": str(combine.merge(model, args.folder, args.out))}


def scale(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import combine

    return facts(combine.scale(args.folder, args.strength, args.out))


def stack(args: argparse.Namespace) -> dict[str, Any]:
    from hfru_core.adapters import combine

    return facts(combine.stack([args.folder, *args.more], args.out, numbers(args.strengths)))


def numbers(text: str | None) -> list[float]:
    try:
        return [float(n) for n in text.split(",")] if text else []
    except ValueError:
        raise UserError(f"--strengths takes numbers such as 1,0.5, got '{text}'.") from None


def facts(folder: Path) -> dict[str, Any]:
    """What a checked folder says of itself; what was not measured is None."""
    from hfru_core.adapters.record import WEIGHTS
    from hfru_core.adapters.validate import checked_record

    record = checked_record(folder)
    return {
        "adapter": str(folder),
        "forgets": [c.name for c in record.concepts],
        "base": record.base.name,
        "base_fingerprint": record.base.fingerprint,
        "base_revision": record.base.revision,
        "weights": record.hashes[WEIGHTS],
        "parts": [asdict(p) for p in record.parts] or None,
        "data": record.data.fingerprint if record.data else None,
        "metrics": asdict(record.metrics) if record.metrics else None,
    }


ACTIONS = {
    "inspect": inspect, "zip": zip_folder, "unzip": unzip, "push": push, "pull": pull,
    "merge": merge, "scale": scale, "stack": stack,
}  # fmt: skip

"""Broken and hostile uploads through the app's public HTTP API; what they did to it.

    python -m tests.measure.fuzz_uploads --uploads 10000 --report assets/reports/fuzz.json

It starts an app of its own in an empty folder and sends pictures, zips, adapter folders and JSON
that are damaged, too large or lead elsewhere. Counted: answers with a status of 5xx, stack traces
in answers and in the server's log (refusals aside), files that appear outside the data folder, and
the server's peak memory. Exit code 1 where one of the first three is not 0, or the peak is more
than 1 GB above what the server held before.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
from PIL import Image

from hfru_core.adapters import archive as bundle
from tests.server import API, Visitor

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "assets" / "adapters" / "dog"
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
EXPLAINED = "gradio.exceptions.Error"  # a refusal, told to who made it; Gradio prints it too
MOST_MB = 1024  # above idle
TRACE = "Traceback (most recent call last)"


def scrambled(content: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, or cut, or with noise after it."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 12)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    end = chance.choice((len(changed), chance.randrange(len(changed) + 1)))
    return bytes(changed[:end]) + chance.choice((b"", chance.randbytes(50)))


def picture(chance: random.Random) -> bytes:
    kind = chance.choice(("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"))
    mode = "RGB" if kind in ("JPEG", "BMP") else chance.choice(("RGB", "L", "RGBA"))
    out = io.BytesIO()
    Image.new(mode, (chance.randint(1, 90), chance.randint(1, 90)), 77).save(out, kind)
    return scrambled(out.getvalue(), chance) if chance.random() < 0.8 else out.getvalue()


def giant(chance: random.Random) -> bytes:
    """A small file that says it is a huge picture."""
    out = io.BytesIO()
    Image.new("1", (chance.choice((9000, 20000)), 9000)).save(out, "PNG")
    return out.getvalue()


def climbing(chance: random.Random) -> bytes:
    """A zip whose entries lead out of it, or are links."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        up = "../" * chance.randint(1, 9)
        name = chance.choice(
            (
                f"{up}fuzz-escaped",
                "/tmp/fuzz-escaped",
                f"a/{up}fuzz-escaped",
                "C:\\fuzz-escaped",
                "a/b/c/fuzz-escaped",
            )
        )
        entry = zipfile.ZipInfo(name)
        entry.external_attr = chance.choice((0o644, 0o120777)) << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


def bomb(chance: random.Random) -> bytes:
    """A small zip that unpacks to much, under names that are an adapter's."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/unlearning.json", bytes(chance.choice((70, 200)) * 2**20))
    content = out.getvalue()
    return content if chance.random() < 0.5 else scrambled(content, chance)


def adapter(chance: random.Random, whole: bytes) -> bytes:
    """A valid adapter's zip with one of its files scrambled, or the zip itself."""
    if chance.random() < 0.4:
        return scrambled(whole, chance)
    out, victim = io.BytesIO(), chance.randrange(4)
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(out, "w") as archive:
        for i, name in enumerate(source.namelist()):
            content = source.read(name)
            if i == victim:
                content = chance.choice((scrambled(content, chance), b"", b"{}", b"[" * 60_000))
            archive.writestr(name, content)
    return out.getvalue()


def junk(chance: random.Random, depth: int = 0) -> object:
    """A JSON value of any shape."""
    leaf = (
        None,
        True,
        -1,
        10**30,
        1e308,
        "",
        "x" * 300,
        "\u0000",
        "../../etc/passwd",
        {"path": "/etc/passwd"},
        {"path": "http://127.0.0.1/", "meta": {}},
    )
    if depth > 3 or chance.random() < 0.5:
        return chance.choice(leaf)
    inside = [junk(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    return inside if chance.random() < 0.5 else {str(i): v for i, v in enumerate(inside)}


def body(chance: random.Random, session: str, events: int) -> bytes:
    """A request to the queue: wrong values, wrong events, huge, deep, or no JSON at all."""
    kind = chance.random()
    if kind < 0.1:
        return b"[" * chance.randint(20, 100_000)
    if kind < 0.15:
        return json.dumps({"data": ["x" * chance.choice((10**5, 2 * 10**6))]}).encode()
    index = chance.choice((chance.randint(-3, events + 3), junk(chance, 9)))
    asked = {"fn_index": index, "data": junk(chance), "session_hash": session}
    content = json.dumps(asked).encode()
    return content if kind < 0.8 else scrambled(content, chance)


def record(chance: random.Random, whole: bytes) -> bytes:
    """A valid adapter's zip whose record holds far too much, or numbers without bounds."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(out, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("unlearning.json"):
                content = overfull(json.loads(content), chance)
            archive.writestr(name, content)
    return out.getvalue()


def overfull(values: dict, chance: random.Random) -> bytes:
    """A record with one thing in it that has no bounds."""
    concept, number = values["concepts"][0], chance.choice((10**400, -1, 1e300, "NaN", True))
    change = chance.choice(
        (
            {"concepts": [{**concept, "aliases": [f"w{i}" for i in range(600_000)]}]},
            {"concepts": [{**concept, "aliases": ["w" * 10**6]}]},
            {"concepts": [concept] * 5_000},
            {"history": [{"step": number}] * 20_000},
            {"parts": [{"weights": "0", "strength": number, "concepts": ["dog"], "scope": None}]},
            {"session": number},
            {"config": {"preset": "default", "seed": number}},
            {"data": [values] * 3},
        )
    )
    return json.dumps({**values, **change}).replace('"NaN"', "NaN").encode()


def extreme(chance: random.Random) -> bytes:
    """A picture that is allowed or nearly so, and takes as much memory as it can."""
    size = chance.choice(((1, 39_000_000), (6300, 6300), (16_384, 1220), (4400, 4500)))
    out = io.BytesIO()
    Image.new(chance.choice(("1", "L", "RGBA", "I;16", "P")), size).save(out, "PNG")
    return out.getvalue()


def odd_request(server: Server, chance: random.Random) -> str:
    """A request by raw socket whose head does not fit its body, or names odd places."""
    body = b"x" * chance.choice((5, 3_000, 2_000_000))
    host = chance.choice(("127.0.0.1", "evil.example", "", "localhost", "[::1]", "a" * 3_000))
    route, origin = chance.choice(ROUTES), chance.choice(("null", "http://evil.example", "x", ""))
    lines = [f"POST {API}/{route} HTTP/1.{chance.randrange(2)}"]
    lines += [f"Host: {host}"] * chance.randrange(3) + [f"Origin: {origin}"] * chance.randrange(2)
    length = chance.choice((5, -1, 10**30, len(body)))
    lines += [f"Content-Length: {length}"] * chance.randrange(3)
    lines += ["Transfer-Encoding: chunked"] * chance.randrange(2)
    head = "\r\n".join([*lines, "", ""]).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.settimeout(3)
        try:
            line.sendall(head + (b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"))
            said = line.recv(200)
        except OSError:
            return "cut off"
    return said.split(b" ")[1].decode() if said.count(b" ") > 1 else "closed"


ROUTES = ("queue/join", "upload", "run/back")
QUESTIONS = ("What is it?", "<image>" * 6, "<|im_end|>", "</s><s>", "x" * 50_000, "\u202e\x00", "")


class Server:
    """The app in a process of its own, with its log in a file."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "log"
        line = [sys.executable, "app.py", "--port", str(self.port), "--data", str(folder / "data")]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(line, cwd=ROOT, env=ENV, stdout=log, stderr=log)
        self.url = f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        for _ in range(240):
            try:
                httpx.get(f"{self.url}/config", timeout=5).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.5)
        raise SystemExit(f"the app did not start: {self.log.read_text()[-2000:]}")

    def idle(self) -> int:
        """The memory it holds now, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    def peak(self) -> int:
        """The most memory it ever held, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024


def outside() -> set[str]:
    """What lies where a file that got out would lie; others write to /tmp too."""
    places = [Path("/"), ROOT, ROOT / "assets", Path.cwd(), Path.home()]
    return {str(p) for place in places for p in place.glob("*")} | {
        str(p) for name in ("fuzz-escaped*", "x.*", "tmp*.png") for p in Path("/tmp").glob(name)
    }


def raised(log: str) -> dict[str, int]:
    """The exceptions whose traces are in the log, by kind; Gradio prints its own refusals."""
    lines = (trace.split("\n") for trace in log.split(TRACE)[1:])
    ends = (next((x for x in trace[1:] if x and not x.startswith(" ")), "?") for trace in lines)
    return dict(Counter(end.split(":")[0] for end in ends))


KINDS = {
    "picture": 28, "giant": 1, "climbing": 14, "bomb": 1, "adapter": 20, "json": 25, "record": 3,
    "extreme": 1, "odd": 7,
}  # fmt: skip


def send(
    server: Server, visitor: Visitor, chance: random.Random, about: dict, whole: bytes
) -> tuple[str, str]:
    """One upload: its kind, and how it was answered."""
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "odd":
        return kind, odd_request(server, chance)
    if kind == "json":
        content = body(chance, f"{visitor.session}-junk", about["events"])
        route = chance.choice(("queue/join", "call/describe", "call/unlearn", "cancel"))
        said = visitor.http.post(
            f"{visitor.url}{API}/{route}",
            content=content,
            headers={"content-type": "application/json"},
        )
        return kind, f"{said.status_code} {TRACE if TRACE in said.text else ''}".strip()
    make = {
        "picture": picture, "giant": giant, "climbing": climbing, "bomb": bomb, "extreme": extreme,
        "adapter": partial(adapter, whole=whole), "record": partial(record, whole=whole),
    }  # fmt: skip
    content = make[kind](chance)
    name = chance.choice(("x.png", "x.zip", "../../x.png", "<img src=x>.zip", "x" * 300, "\u202e"))
    try:
        file = visitor.upload(content, name)
        if kind in ("picture", "giant", "extreme"):
            said = visitor.ask(about["describe"], [file, chance.choice(QUESTIONS), ""])
        else:
            said = visitor.ask(about["zip"], [file])
    except httpx.HTTPStatusError as error:
        return kind, str(error.response.status_code)
    text = json.dumps(said["output"])
    reason = "" if said["success"] or said["output"].get("error") else " without a reason"
    return kind, f"{'taken' if said['success'] else 'refused'}{reason}" + TRACE * (TRACE in text)


def is_bad(answer: str) -> bool:
    """Whether a kind's answer is a status of 5xx, or shows a stack trace."""
    return answer.split(": ")[1].startswith("5") or TRACE in answer


def fresh_connections() -> httpx.Client:
    """One for each request: a server may hang up on a kept one just as it is used again."""
    return httpx.Client(timeout=120, limits=httpx.Limits(max_keepalive_connections=0))


def fuzz(server: Server, uploads: int, seed: int, folder: Path) -> dict[str, object]:
    """Send them all, by a new visitor for every 50."""
    chance, answers = random.Random(seed), Counter()
    whole = bundle.pack(SHIPPED, folder / "whole.zip").read_bytes()
    began = time.perf_counter()
    for i in range(uploads):
        if i % 50 == 0:
            visitor = Visitor(server.url, http=fresh_connections())
            about = {
                "describe": visitor.index("describe"),
                "zip": visitor.event("adapter-upload", "upload")["id"],
                "events": len(visitor.config()["dependencies"]),
            }
        kind, said = send(server, visitor, chance, about, whole)
        answers[f"{kind}: {said}"] += 1
        if i % 500 == 499:
            print(f"{i + 1} sent, peak {server.peak()} MB", file=sys.stderr, flush=True)
    return {"answers": dict(sorted(answers.items())), "seconds": time.perf_counter() - began}


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--uploads", type=int, default=10_000)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--report", type=Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        server = Server(folder)
        try:
            server.wait()
            before, idle = outside(), server.idle()
            told = fuzz(server, args.uploads, args.seed, folder)
            peak, escaped = server.peak(), sorted(outside() - before)
            alive = server.process.poll() is None
        finally:
            server.process.terminate()
            server.process.wait()
        log = server.log.read_text(errors="replace")
    bad = [a for a in told["answers"] if is_bad(a)]
    report = {
        "uploads": args.uploads,
        "seed": args.seed,
        "seconds": round(told["seconds"]),
        "server_errors": sum(told["answers"][a] for a in bad),
        "traces_in_log": raised(log),
        "appeared_elsewhere": escaped,
        "idle_mb": idle,
        "peak_mb": peak,
        "alive": alive,
        "answers": told["answers"],
    }
    print(json.dumps(report, indent=2))
    unexplained = {k: n for k, n in report["traces_in_log"].items() if k != EXPLAINED}
    if unexplained:
        print(log[-3000:], file=sys.stderr)
    if args.report:
        args.report.write_text(json.dumps(report, indent=2) + "\n")
    too_much = peak - idle > MOST_MB
    return int(bool(bad or escaped or not alive or unexplained or too_much))


if __name__ == "__main__":
    sys.exit(main())

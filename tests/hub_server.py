"""A Hub small enough for a test: the HTTP that `huggingface_hub` speaks, on loopback.

Text files go with the commit, safetensors through LFS, as on the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_good_token_of_the_test"


class Asked(NamedTuple):
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Repo:
    """Files by commit, the last one newest."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        newest = list(self.commits.values())[-1] if self.commits else {}
        mark = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[mark] = {**newest, **files}
        return mark

    def at(self, revision: str) -> str | None:
        if revision == "main":
            return list(self.commits)[-1]
        if revision in self.tags:
            return self.tags[revision]
        return revision if revision in self.commits else None


class Hub(ThreadingHTTPServer):
    """The server; `repos` and `asked` are what a test looks at."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Repo] = {}
        self.asked: list[Asked] = []
        self.large: dict[str, bytes] = {}
        self.declared: dict[str, int] = {}  # sizes to lie about, by file name
        self.cards: dict[str, dict] = {}  # what a repository's card tells of itself

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name: str, files: dict[str, bytes], private: bool = False) -> str:
        """A repository that is there already; its commit."""
        repo = self.repos.setdefault(name, Repo(private))
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return repo.commit(files)

    def start(self) -> Hub:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers), body))
        url = urlsplit(self.path)
        for method, pattern, act in ROUTES:
            match = re.fullmatch(pattern, unquote(url.path))
            if match and self.command in method:
                return act(self, body, parse_qs(url.query), *match.groups())
        self.answer(404, {"error": "no such route"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def answer(self, status: int, value: object = None, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repo(self, name: str) -> Repo | None:
        """The repository, if it is there and whoever asks may see it; else it is answered."""
        repo = self.server.repos.get(name)
        if repo and (self.known or not repo.private):
            return repo
        return self.answer(401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")

    def create(self, body: bytes, query: dict) -> None:
        if not self.known:
            reason = "Invalid credentials in Authorization header"
            return self.answer(401, {"error": reason}, X_Error_Message=reason)
        wish = json.loads(body)
        name = f"{wish['organization'] or 'me'}/{wish['name']}"
        if wish["organization"] == "others":
            return self.answer(403, {"error": "no rights"})
        url = {"url": f"{self.server.url}/{name}"}
        if name in self.server.repos:
            return self.answer(409, url)
        self.server.repos[name] = Repo(wish.get("visibility") == "private")
        self.server.repos[name].commit({".gitattributes": b""})
        self.answer(200, url)

    def info(self, body: bytes, query: dict, name: str, revision: str | None) -> None:
        if (repo := self.repo(name)) is None:
            return
        sha = repo.at(revision or "main")
        if sha is None:
            return self.answer(404, {"error": "no revision"}, X_Error_Code="RevisionNotFound")
        sizes = {n: self.server.declared.get(n, len(d)) for n, d in repo.commits[sha].items()}
        listed = [{"rfilename": n, "size": s} for n, s in sizes.items()]
        about = {"id": name, "sha": sha, "private": repo.private, "siblings": listed}
        self.answer(200, about | {"cardData": self.server.cards.get(name)})

    def preupload(self, body: bytes, query: dict, name: str, revision: str) -> None:
        modes = [
            {
                "path": f["path"],
                "shouldIgnore": False,
                "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular",
            }
            for f in json.loads(body)["files"]
        ]
        self.answer(200, {"files": modes})

    def batch(self, body: bytes, query: dict, name: str) -> None:
        objects = [
            {**o, "actions": {"upload": {"href": f"{self.server.url}/lfs/{o['oid']}"}}}
            for o in json.loads(body)["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def store(self, body: bytes, query: dict, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.large[oid] = body
        self.answer(200, {})

    def commit(self, body: bytes, query: dict, name: str, revision: str) -> None:
        if (repo := self.repo(name)) is None:
            return
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
        sha = repo.commit(files)
        url = f"{self.server.url}/{name}/commit/{sha}"
        self.answer(200, {"success": True, "commitOid": sha, "commitUrl": url})

    def resolve(self, body: bytes, query: dict, name: str, revision: str, file: str) -> None:
        if (repo := self.repo(name)) is None:
            return
        sha = repo.at(revision)
        if sha is None:
            return self.answer(404, {"error": "no revision"}, X_Error_Code="RevisionNotFound")
        data = repo.commits[sha].get(file)
        if data is None:
            return self.answer(
                404, {"error": "no file"}, X_Error_Code="EntryNotFound", X_Repo_Commit=sha
            )
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if part:
            data = data[int(part[1]) : int(part[2]) + 1]
        self.answer(
            206 if part else 200,
            data,
            ETag=f'"{hashlib.sha1(data).hexdigest()}"',
            X_Repo_Commit=sha,
            Accept_Ranges="bytes",
        )

    def fine(self, body: bytes, query: dict) -> None:
        self.answer(200, {"errors": [], "warnings": []})


REPO = r"([\w.-]+/[\w.-]+)"
ROUTES = (
    (("POST",), "/api/repos/create", Handler.create),
    (("POST",), "/api/validate-yaml", Handler.fine),
    (("GET",), f"/api/(?:models|datasets)/{REPO}(?:/revision/(.+))?", Handler.info),
    (("POST",), f"/api/models/{REPO}/preupload/(.+)", Handler.preupload),
    (("POST",), f"/api/models/{REPO}/commit/(.+)", Handler.commit),
    (("POST",), rf"/{REPO}\.git/info/lfs/objects/batch", Handler.batch),
    (("PUT",), "/lfs/([0-9a-f]{64})", Handler.store),
    (("GET", "HEAD"), f"(?:/datasets)?/{REPO}/resolve/([^/]+)/(.+)", Handler.resolve),
)

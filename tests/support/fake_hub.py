"""A Hugging Face hub on this machine: answers as the real one does, for the client that we use.

What it sends (paths, headers, error codes) follows huggingface_hub's own documentation and code:
``X-Error-Code`` tells a gated from an unknown repository, ``X-Repo-Commit`` and ``ETag`` a file.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

COMMIT = "c0ffee0123456789c0ffee0123456789c0ffee01"
CONVERTED = "beef000123456789beef000123456789beef0001"
CONVERTED_REVISION = "refs/pr/7"
_RESOLVE = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/resolve/(?P<commit>[^/]+)/(?P<name>.+)")
_INFO = re.compile(r"/api/models/(?P<repo>[\w.-]+/[\w.-]+)/revision/(?P<revision>.+)")
_OFFERS = re.compile(r"/api/models/(?P<repo>[\w.-]+/[\w.-]+)/discussions")
_PIECE = 2**14


class FakeHub:
    """Repositories by id; change them at any time.

    Attributes:
        folders: Each repository's files.
        converted: Files that the hub's converter offers for a repository.
        gated: Repositories that ask for a login.
        requests: What was asked for: method and path.
        is_broken: Whether everything is answered with an error of the server.
        flows: Cleared, the bytes of large files wait; set, they flow.
    """

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        self.converted: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.is_broken = False
        self.requests: list[str] = []
        self.flows = threading.Event()
        self.flows.set()
        self.endpoint = ""

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a free port; yields the endpoint."""
        hub = self

        class Handler(_Handler):
            """Answers for this hub."""

            served = hub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self.endpoint
        finally:
            self.flows.set()
            server.shutdown()
            thread.join()
            server.server_close()


def point_to(endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub's client ask another hub, and keep what it fetches in a folder."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    close_session()


class _Handler(BaseHTTPRequestHandler):
    served: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """Answer."""
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0].replace("%2F", "/")
        self.served.requests.append(f"{self.command} {path}")
        if self.served.is_broken:
            self._refuse(500, "", "broken")
            return
        for pattern, answer in (
            (_INFO, self._info),
            (_OFFERS, self._offers),
            (_RESOLVE, self._file),
        ):
            found = pattern.fullmatch(path)
            if found is None:
                continue
            repo = found["repo"]
            if repo not in self.served.folders:
                self._refuse(404, "RepoNotFound", "Repository not found")
            elif repo in self.served.gated:
                self._refuse(403, "GatedRepo", f"Access to model {repo} is restricted")
            else:
                answer(found.groupdict(), with_body)
            return
        self._refuse(404, "", "no such page")

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send(json.dumps({"error": message}).encode(), status=status, headers=headers)

    def _send(self, body: bytes, *, status: int = 200, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _info(self, found: dict[str, str], _: bool) -> None:
        folder = self._folder(found["repo"], found["revision"])
        if folder is None:
            self._refuse(404, "RevisionNotFound", "no such revision")
            return
        files = sorted(path for path in folder.iterdir() if path.is_file())
        info: dict[str, Any] = {
            "_id": "1",
            "id": found["repo"],
            "sha": COMMIT if found["revision"] in ("main", COMMIT) else CONVERTED,
            "siblings": [{"rfilename": path.name, "size": path.stat().st_size} for path in files],
            "cardData": {"license": "apache-2.0"},
            "config": {"architectures": ["BertForMaskedLM"], "model_type": "bert"},
            "safetensors": {"parameters": {"F32": 27_976}, "total": 27_976},
            "tags": [],
        }
        self._send(json.dumps(info).encode(), headers={"Content-Type": "application/json"})

    def _offers(self, found: dict[str, str], _: bool) -> None:
        offers = [
            {
                "title": "Adding `safetensors` variant of this model",
                "num": 7,
                "author": {"name": "SFconvertbot"},
                "repo": {"name": found["repo"], "type": "model"},
                "isPullRequest": True,
                "status": "open",
                "createdAt": "2023-03-01T00:00:00.000Z",
            }
        ]
        kept = offers if found["repo"] in self.served.converted else []
        body = {"discussions": kept, "count": len(kept), "start": 0}
        self._send(json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    def _folder(self, repo: str, revision: str) -> Path | None:
        if revision in ("main", COMMIT):
            return self.served.folders[repo]
        if revision in (CONVERTED_REVISION, CONVERTED):
            return self.served.converted.get(repo)
        return None

    def _file(self, found: dict[str, str], with_body: bool) -> None:
        folder = self._folder(found["repo"], found["commit"])
        path = None if folder is None else folder / found["name"]
        if path is None or not path.is_file():
            self._refuse(404, "EntryNotFound", "no such file")
            return
        content = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("X-Repo-Commit", found["commit"])
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        if path.suffix == ".safetensors":  # may be fetched the other way, too
            self.send_header("X-Xet-Hash", "0" * 64)
            self.send_header("X-Xet-Refresh-Route", f"{self.served.endpoint}/no-xet")
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if with_body:
            self._pour(content[start:])

    def _pour(self, content: bytes) -> None:
        try:
            for begin in range(0, len(content), _PIECE):
                if begin:
                    self.served.flows.wait(30)
                self.wfile.write(content[begin : begin + _PIECE])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone

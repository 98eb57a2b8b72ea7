"""An artifact server as hostile as a test wants it: MLflow's two requests, on files in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SERVICE = "/api/2.0/mlflow-artifacts/artifacts"


class ArtifactServer:
    """Lists ``listings[folder]`` and hands out ``files[path]``; ``seen`` are requests' headers.

    An entry of a listing is a name, "name/" for a folder, or a mapping that is sent as it is.
    ``rest`` is the content of any other file; without it there is none.
    ``hold``: files are sent by half, and the rest when it is set.
    """

    tls = None

    def __init__(self) -> None:
        self.listings: dict[str, list[str | Mapping[str, Any]]] = {}
        self.files: dict[str, bytes] = {}
        self.rest: bytes | None = None
        self.seen: list[tuple[str, Mapping[str, str]]] = []
        self.hold: threading.Event | None = None
        self.held = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append((self.path, dict(self.headers)))
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def address(self, path: str) -> str:
        """Return the URL of a file or folder."""
        return f"{self.url}{SERVICE}/{path}"

    def put(self, files: Mapping[str, bytes]) -> None:
        """Hand out files, each listed in its folder."""
        for path, content in files.items():
            self.files[path] = content
            *folders, name = path.split("/")
            entry = {"path": name, "is_dir": False, "file_size": len(content)}
            for depth in range(len(folders)):
                below = self.listings.setdefault("/".join(folders[: depth + 1]), [])
                inner = f"{folders[depth + 1]}/" if depth + 1 < len(folders) else entry
                if inner not in below:
                    below.append(inner)

    def close(self) -> None:
        """Stop listening."""
        if self.hold:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        path = unquote(parts.path.removeprefix(SERVICE)).strip("/")
        if not path:
            asked = parse_qs(parts.query).get("path", [""])[0]
            files = [self._entry(each) for each in self.listings.get(asked, [])]
            self._send(handler, json.dumps({"files": files}).encode())
        elif (content := self.files.get(path, self.rest)) is not None:
            self._send(handler, content, halting=True)
        else:
            handler.send_error(404)

    def _send(self, handler: Any, content: bytes, *, halting: bool = False) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        half = len(content) // 2
        handler.wfile.write(content[:half])
        if halting and self.hold:
            handler.wfile.flush()
            self.held.set()
            self.hold.wait(60)
        handler.wfile.write(content[half:])

    @staticmethod
    def _entry(entry: str | Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(entry, str):
            return entry
        return {"path": entry.rstrip("/"), "is_dir": entry.endswith("/"), "file_size": 1}

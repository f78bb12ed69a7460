"""A registry of images, just enough of it for Docker to pull from 127.0.0.1."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry:
    """What is to be had, by tag and by digest; `push` moves a tag."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._manifests: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}

    def push(self, repository: str, tag: str, words: str) -> str:
        """Make an image of one file that holds `words`; return the digest of its manifest."""
        layer = _tar_of("words", words.encode())
        packed = gzip.compress(layer, mtime=0)
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/words"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }).encode()  # fmt: skip
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": _MANIFEST,
            "config": _part("application/vnd.docker.container.image.v1+json", config),
            "layers": [_part("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
        }).encode()  # fmt: skip
        digest = digest_of(manifest)
        self._blobs |= {digest_of(config): config, digest_of(packed): packed}
        for reference in (tag, digest):
            self._manifests[f"/v2/{repository}/manifests/{reference}"] = manifest
        return digest

    def find(self, path: str) -> tuple[bytes, str] | None:
        """Return what a path asks for, and its type."""
        if path == "/v2/":
            return b"{}", "application/json"
        if path in self._manifests:
            return self._manifests[path], _MANIFEST
        blob = self._blobs.get(path.rpartition("/")[2])
        return (blob, "application/octet-stream") if blob is not None else None


@contextmanager
def registry() -> Iterator[Registry]:
    """Serve one on a free port of 127.0.0.1, which Docker trusts without TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = served.find(self.path)
            content, kind = found or (b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "application/json")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", digest_of(content))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Registry(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _part(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(content), "digest": digest_of(content)}


def _tar_of(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()

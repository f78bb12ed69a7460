"""What is told of a webhook that refuses a notice: never its path, which is often a secret."""

import http.server
import threading

import pytest

from application_manager.delivery import post
from application_manager.domain.notices import NotTakenError


class Refuses(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(404)

    def log_message(self, *_):
        """Say nothing."""


def test_the_error_of_a_refused_notice_does_not_name_the_address():
    with http.server.HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(NotTakenError) as refused:
                post(f"http://127.0.0.1:{server.server_port}/canary-7f3a", {"event": "failed"})
        finally:
            server.shutdown()
            thread.join()
    assert str(refused.value) == "it answered 404"

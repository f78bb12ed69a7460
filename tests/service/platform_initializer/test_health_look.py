"""The first look at a machine's services, by this host's own bash and real ports."""

import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from platform_initializer.health import are_ready
from platform_initializer.host import Host
from platform_initializer.local import LocalConnection


@contextmanager
def serving(status):
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(("answers", "ready"), [
    ((200,), True), ((200, 200), True), ((200, 503), False), ((503, 200), False),
    ((200, None), False), ((None,), False),
])  # fmt: skip
def test_all_are_ready_only_if_each_port_says_so(answers, ready):
    with ExitStack() as stack:
        ports = [stack.enter_context(serving(code)) if code else 1 for code in answers]
        assert are_ready(Host("here", LocalConnection()), ports) is ready

"""The way to Docker when nobody listens at its socket any more."""

import http.server
import socket
import socketserver
import threading
from contextlib import contextmanager

import pytest

from common.errors import FatalError
from node_manager.client.engine import EngineUnavailableError
from node_manager.client.engine.connection import REFUSED_FOR_S, Connection


@pytest.fixture
def seconds():
    return [1000.0]


@pytest.fixture
def connection(tmp_path, seconds):
    """Give a way to a socket that was listened at once, as one that was made anew elsewhere."""
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "docker.sock"))
    made = Connection(f"unix://{tmp_path}/docker.sock", lambda: seconds[0])
    yield made
    made.close()


def ping(connection):
    return connection.call(5.0, lambda api: api.ping())


def test_a_socket_that_refuses_for_a_minute_ends_the_client(connection, seconds):
    with pytest.raises(EngineUnavailableError):
        ping(connection)
    seconds[0] += REFUSED_FOR_S - 1
    with pytest.raises(EngineUnavailableError):
        ping(connection)
    seconds[0] += 1
    with pytest.raises(FatalError):
        ping(connection)


class Answers(http.server.BaseHTTPRequestHandler):
    """Says what docker-py asks first, and that it is well."""

    def do_GET(self):
        content = b'{"ApiVersion": "1.44"}' if self.path == "/version" else b"OK"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self):
        return "a test"

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def listening(path):
    path.unlink()
    with socketserver.UnixStreamServer(str(path), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_an_answer_in_between_begins_the_minute_anew(connection, seconds, tmp_path):
    with pytest.raises(EngineUnavailableError):
        ping(connection)
    with listening(tmp_path / "docker.sock"):
        assert ping(connection)
    seconds[0] += REFUSED_FOR_S
    with pytest.raises(EngineUnavailableError):
        ping(connection)


def test_docker_that_is_slow_ends_nobody(connection, seconds, tmp_path):
    def slow(_):
        raise TimeoutError("timed out")

    with listening(tmp_path / "docker.sock"):
        for _ in range(3):
            seconds[0] += REFUSED_FOR_S
            with pytest.raises(EngineUnavailableError):
                connection.call(5.0, slow)

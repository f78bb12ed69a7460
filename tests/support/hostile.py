"""Peers that speak SSH badly, on loopback: they cost a client its time, its memory or its patience."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket, threading.Event], None]


def be_silent(peer: socket.socket, stopping: threading.Event) -> None:
    stopping.wait()


def say_a_byte_a_second(peer: socket.socket, stopping: threading.Event) -> None:
    for byte in b"SSH-2.0-slow" * 1000:
        peer.sendall(bytes([byte]))
        if stopping.wait(1):
            return


def flood_with_banners(peer: socket.socket, stopping: threading.Event) -> None:
    while not stopping.is_set():
        peer.sendall(b"Welcome to the machine\r\n" * 1000)


def flood_without_an_end(peer: socket.socket, stopping: threading.Event) -> None:
    while not stopping.is_set():
        peer.sendall(b"x" * 65536)


def greet_then_be_silent(peer: socket.socket, stopping: threading.Event) -> None:
    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    stopping.wait()


def greet_then_say_nonsense(peer: socket.socket, stopping: threading.Event) -> None:
    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + b"\xff\xff\xff\xf0" * 100)
    stopping.wait()


@contextmanager
def peer_that(serve: Serve) -> Iterator[int]:
    """Yield the port of such a peer."""
    listener, stopping = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def talk(peer: socket.socket) -> None:
        with suppress(OSError), peer:
            serve(peer, stopping)

    def accept() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=talk, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        listener.close()


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port that drops what comes: its queue of connections is full and nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(listener.getsockname())
            waiting.append(one)
        time.sleep(0.1)
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()

"""The client's memory on disk: JSON lines, appended with fsync, compacted at start.

What the entries mean is `domain.attempt`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from common.errors import Retryable
from node_manager.client.domain.attempt import (
    Entry,
    Key,
    Record,
    apply,
    entries_of,
    key_of_entry,
    may_forget,
)

COMPACT_BYTES = 16 * 1024 * 1024
_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_ENCODER = msgspec.json.Encoder()


class JournalUnavailableError(Retryable):
    """The journal cannot be written (a full disk?)."""


class Journal:
    """Records of attempts, each change on disk before it counts. Safe to share between threads."""

    def __init__(self, path: Path, now: datetime) -> None:
        """Read the journal and compact it."""
        self._path = path
        self._lock = threading.RLock()
        self._records: dict[Key, Record] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.born_at = _birth_of(path, now)
        """When this memory began, on a machine that had none; None where that is not known."""
        self._read()
        self._file = -1
        self._size_after = 0
        try:
            self.compact(now)
        except JournalUnavailableError:  # a full disk: deadlines must be kept all the same
            self._open()

    def get(self, key: Key) -> Record:
        """Return what is known of an attempt; an empty record if nothing is."""
        with self._lock:
            return self._records.get(key, Record())

    def records(self) -> dict[Key, Record]:
        """Return all records, as of now."""
        with self._lock:
            return dict(self._records)

    def append(self, entries: Iterable[Entry], *, sync: bool = True) -> None:
        """Write entries, then let them count; raise `JournalUnavailableError`, nothing changed.

        Without `sync` a power failure may lose them, a crash of the client does not.
        """
        batch = list(entries)
        payload = b"".join(_ENCODER.encode(entry) + b"\n" for entry in batch)
        with self._lock:
            try:
                _write_all(self._file, payload)
                if sync:
                    os.fdatasync(self._file)
            except OSError as error:
                self._cut_torn_line()
                raise JournalUnavailableError(f"{self._path}: {error.strerror}") from error
            self._apply(batch)

    def note(self, entry: Entry) -> bool:
        """Write an entry if the disk lets us, and let it count in any case; False if it did not.

        For what must happen though the disk be full: a stop is carried out all the same.
        """
        try:
            self.append([entry])
        except JournalUnavailableError:
            with self._lock:
                self._apply([entry])
            return False
        return True

    def mark(self, key: Key, **done: bool) -> None:
        """Remember what need not survive a crash: announced, signalled, fetched."""
        with self._lock:
            self._records[key] = replace(self._records.get(key, Record()), **done)  # type: ignore[arg-type]

    def needs_compaction(self) -> bool:
        with self._lock:
            return os.fstat(self._file).st_size > max(COMPACT_BYTES, 4 * self._size_after)

    def compact(self, now: datetime) -> None:
        """Write the journal anew without what nobody needs any more."""
        with self._lock:
            self._records = {
                key: record
                for key, record in self._records.items()
                if not may_forget(record, now)
            }
            try:
                self._size_after = _write_anew(self._path, self._records.values())
            except OSError as error:
                raise JournalUnavailableError(f"{self._path}: {error.strerror}") from error
            self._open()

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _open(self) -> None:
        self.close()
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise JournalUnavailableError(f"{self._path}: {error.strerror}") from error

    def _read(self) -> None:
        """Read every whole line; a line torn by a crash was never acted upon."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            with suppress(msgspec.MsgspecError):
                self._apply([_DECODER.decode(line)])

    def _apply(self, batch: Iterable[Entry]) -> None:
        for entry in batch:
            key = key_of_entry(entry)
            self._records[key] = apply(self._records.get(key, Record()), entry)

    def _cut_torn_line(self) -> None:
        """End a half-written line, so that the next entry begins on one of its own."""
        with suppress(OSError):
            os.write(self._file, b"\n")


def _birth_of(path: Path, now: datetime) -> datetime | None:
    """Read when a journal began, or write it down for one that begins now."""
    beside = path.with_suffix(".born")
    with suppress(OSError, ValueError):
        if not beside.exists() and not path.exists():
            beside.write_text(now.isoformat(), encoding="ascii")
            _sync_folder(path.parent)
        return datetime.fromisoformat(beside.read_text(encoding="ascii"))
    return None


def _write_anew(path: Path, records: Iterable[Record]) -> int:
    """Replace the journal whole, or leave it as it is; return its size."""
    part = path.with_suffix(".part")
    lines = (_ENCODER.encode(e) + b"\n" for record in records for e in entries_of(record))
    with part.open("wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    part.rename(path)
    _sync_folder(path.parent)
    return size


def _write_all(file: int, payload: bytes) -> None:
    while payload:
        payload = payload[os.write(file, payload) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

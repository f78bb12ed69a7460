"""Users, API tokens and sessions: who is asking. Roles and waits are `domain.access`'s."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from application_manager import store
from application_manager.domain.access import (
    Actor,
    Role,
    hash_token,
    role_of,
    wait_after,
)
from application_manager.domain.calendar_link import (
    CALENDAR,
    LONGEST_LINK,
    Shown,
    shown_of,
)
from application_manager.transactions import in_transaction
from common.db import Database, Row, Transaction
from common.errors import Permanent
from common.secret import Secret

FIRST_USER = "admin"
FIRST_TOKEN = "initial"  # noqa: S105 - the name of it


HASHER = PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1)
"""One of OWASP's equals: 7 MiB, five passes; the service has 120 MB."""


class LoginRefusedError(Permanent):
    """The name or the password is wrong."""


class TooManyTriesError(Permanent):
    """Too many failed logins."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many failed logins; try again in {wait_s} s")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Session:
    """A login as the browser gets it; only the hash of `cookie` is stored."""

    cookie: str
    csrf_token: str
    actor: Actor


KEEP_DAYS = 30.0


class People:
    """Tells who is asking. Safe to share between threads."""

    def __init__(self, database: Database, hasher: PasswordHasher = HASHER) -> None:
        self._database = database
        self._hasher = hasher
        # on one thread: each thread that ever hashed would keep its memory
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._nobody = self.hash_password(secrets.token_urlsafe())

    def hash_password(self, password: str) -> str:
        return self._thread.submit(self._hasher.hash, password).result()

    def make_first(self, password: Secret | None, token: Secret | None) -> None:
        """Make the first user and the first token, those that are not there yet."""
        with self._database.transaction() as transaction:
            is_new = transaction.one("find_user", name=FIRST_USER) is None
        password_hash = self.hash_password(password.reveal()) if password and is_new else None
        with self._database.transaction() as transaction:
            if password_hash:
                transaction.execute("add_user", name=FIRST_USER, password_hash=password_hash,
                                    role=Role.ADMIN.label)  # fmt: skip
            if token:
                transaction.execute(
                    "put_token", name=FIRST_TOKEN, token_hash=hash_token(token.reveal()),
                    role=Role.ADMIN.label, actor="rota",
                )  # fmt: skip

    def by_token(self, token: str) -> Actor | None:
        """Return who has this API token; nobody where it is a calendar link's."""
        row = self._find_token(token, is_calendar=False)
        return Actor(f"token:{row['name']}", role_of(row["role"])) if row else None

    def by_calendar_link(self, secret: str) -> Shown | None:
        """Return what this calendar link shows; None where it is none (any more)."""
        if len(secret) > LONGEST_LINK:
            return None
        return shown_of(secret) if self._find_token(secret, is_calendar=True) else None

    def by_session(self, cookie: str) -> Actor | None:
        """Return whose browser this is."""
        with self._database.transaction() as transaction:
            row = transaction.one("find_session", session_hash=hash_token(cookie))
        if row is None:
            return None
        return Actor(row["user_name"], role_of(row["role"]), row["csrf_token"])

    def log_in(self, name: str, password: str, address: str) -> Session:
        """Check a password and begin a session; raises as `check_password` does."""
        row = self.check_password(name, password, address, "login.refused")
        session = Session(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), Actor(name, role_of(row["role"]))
        )
        with self._database.transaction() as transaction:
            transaction.execute("add_session", session_hash=hash_token(session.cookie),
                                user_name=name, csrf_token=session.csrf_token)  # fmt: skip
            store.record(transaction, name, "login", address)
        return session

    def check_password(self, name: str, password: str, address: str, refused: str) -> Row:
        """Return the user; raises `TooManyTriesError` before looking, or `LoginRefusedError`.

        A failure is recorded before the password is looked at: guesses sent at once do not share
        one try. `refused` is what the audit calls it.
        """
        subjects = [f"user:{name[:64]}", f"from:{address[:64]}"]
        row = in_transaction(self._database, lambda t: _begin_try(t, subjects, name))
        is_right = self._is_right(row["password_hash"] if row else self._nobody, password)
        with self._database.transaction() as transaction:
            if row is not None and is_right and not row["is_disabled"]:
                transaction.execute("forget_failures", subjects=subjects)
                return row
            store.record(transaction, name, refused, address)
        raise LoginRefusedError

    def log_out(self, cookie: str) -> None:
        """End a session."""
        with self._database.transaction() as transaction:
            transaction.execute("end_session", session_hash=hash_token(cookie))

    def tidy(self, keep_days: float = KEEP_DAYS) -> None:
        """Forget sessions that have ended, answers a day old, and requests after `keep_days`."""
        with self._database.transaction() as transaction:
            transaction.execute("forget_sessions")
            transaction.execute("forget_answers")
            transaction.execute("forget_requests", keep_s=int(keep_days * 86_400))

    def _find_token(self, token: str, *, is_calendar: bool) -> Row | None:
        with self._database.transaction() as transaction:
            row = transaction.one("find_token", token_hash=hash_token(token))
            if row is None or (row["role"] == CALENDAR) is not is_calendar:
                return None
            transaction.execute("note_token_use", token_id=row["token_id"])
        return row

    def _is_right(self, password_hash: str, password: str) -> bool:
        try:
            return self._thread.submit(self._hasher.verify, password_hash, password).result()
        except (VerificationError, InvalidHashError):
            return False


def _begin_try(transaction: Transaction, subjects: list[str], name: str) -> Row | None:
    _refuse_early(transaction, subjects)
    for subject in subjects:
        transaction.execute("note_failure", subject=subject)
    return transaction.one("find_user", name=name)


def _refuse_early(transaction: Transaction, subjects: list[str]) -> None:
    for row in transaction.all("login_failures", subjects=subjects):
        wait_s = wait_after(row["failures"]) - row["age_s"]
        if wait_s > 0:
            raise TooManyTriesError(wait_s)

"""Looking after users, tokens, applications, and reading the audit. Logging in is `people`'s."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from application_manager import store
from application_manager.domain.access import Actor, hash_token
from application_manager.domain.calendar_link import CALENDAR, Shown, shown_words
from application_manager.domain.pinning import pin, why_not_pinned
from application_manager.people import LoginRefusedError, People
from application_manager.schedules import ConflictError, NoSuchInstanceError
from common.db import Database, DuplicateKeyError, Row, Transaction
from common.errors import Permanent

Json = dict[str, Any]


class NotRegisteredError(Permanent):
    """There is no such user, token or application."""


@dataclass(frozen=True)
class Registry:
    """Changes who may do what; every change is in the audit. Safe to share between threads."""

    database: Database
    people: People

    def users(self) -> list[Json]:
        with self.database.transaction() as transaction:
            rows = transaction.all("list_users")
        return [{**row, "is_disabled": bool(row["is_disabled"])} for row in rows]

    def add_user(self, name: str, password: str, role: str, actor: Actor) -> None:
        """Make a user; raises `DuplicateKeyError` for a name that is taken."""
        password_hash = self.people.hash_password(password)
        with self.database.transaction() as transaction:
            added = transaction.execute("add_user", name=name, password_hash=password_hash,
                                        role=role)  # fmt: skip
            if not added:
                raise DuplicateKeyError(f"there is a user {name!r} already")
            store.record(transaction, actor.name, "user.add", name, role=role)

    def change_user(self, name: str, given: Mapping[str, Any], actor: Actor) -> None:
        """Change role, password or state; the last admin stays one."""
        password = given["password"]
        password_hash = self.people.hash_password(password) if password else None
        with self.database.transaction() as transaction:
            if given["role"] not in (None, "admin") or given["is_disabled"]:
                _keep_an_admin(transaction, name)
            changed = transaction.execute(
                "change_user", name=name, role=given["role"], is_disabled=given["is_disabled"],
                password_hash=password_hash,
            )  # fmt: skip
            if not changed:
                raise NotRegisteredError(f"there is no user {name!r}")
            transaction.execute("end_sessions_of", user_name=name)
            told = {"role": given["role"], "is_disabled": given["is_disabled"],
                    "password": "changed" if password else None}  # fmt: skip
            store.record(transaction, actor.name, "user.change", name, **told)

    def delete_user(self, name: str, actor: Actor) -> None:
        with self.database.transaction() as transaction:
            _keep_an_admin(transaction, name)
            if not transaction.execute("delete_user", name=name):
                raise NotRegisteredError(f"there is no user {name!r}")
            transaction.execute("end_sessions_of", user_name=name)
            store.record(transaction, actor.name, "user.delete", name)

    def change_password(self, actor: Actor, old: str, new: str, address: str) -> None:
        """Change one's own password, knowing the old one; guesses wait as those of a login do."""
        try:
            self.people.check_password(actor.name, old, address, "password.refused")
        except LoginRefusedError:
            raise LoginRefusedError("the old password is wrong") from None
        self.change_user(actor.name, {"role": None, "is_disabled": None, "password": new}, actor)

    def tokens(self) -> list[Json]:
        with self.database.transaction() as transaction:
            return [token_of(row) for row in transaction.all("list_tokens")]

    def add_token(self, name: str, role: str, actor: Actor) -> str:
        """Make a token and return its secret, which is kept nowhere."""
        secret = secrets.token_urlsafe(32)
        with self.database.transaction() as transaction:
            transaction.execute("add_token", name=name, token_hash=hash_token(secret), role=role,
                                actor=actor.name)  # fmt: skip
            store.record(transaction, actor.name, "token.add", name, role=role)
        return secret

    def add_calendar_link(self, name: str, shown: Shown, actor: Actor) -> str:
        """Make a calendar link's secret; what it shows must be there now. The audit tells what."""
        secret = shown.secret_of(secrets.token_urlsafe(32))
        with self.database.transaction() as transaction:
            _require_shown(transaction, shown)
            transaction.execute("add_token", name=name, token_hash=hash_token(secret),
                                role=CALENDAR, actor=actor.name)  # fmt: skip
            store.record(transaction, actor.name, "token.add", name, role=CALENDAR,
                         instance=shown.instance, application=shown.application)  # fmt: skip
        return secret

    def delete_token(self, name: str, actor: Actor) -> None:
        with self.database.transaction() as transaction:
            if not transaction.execute("delete_token", name=name):
                raise NotRegisteredError(f"there is no token {name!r}")
            store.record(transaction, actor.name, "token.delete", name)

    def applications(self) -> list[Json]:
        with self.database.transaction() as transaction:
            rows = transaction.all("all_applications")
        return [{**row, "command": json.loads(row["command"])} for row in rows]

    def application(self, name: str) -> Json:
        """Return one; raises `NotRegisteredError`."""
        for each in self.applications():
            if each["name"] == name:
                return each
        raise NotRegisteredError(f"there is no application {name!r}")

    def put_application(self, name: str, given: Mapping[str, Any], actor: Actor) -> Json:
        """Register; return the image as pinned to its content, and in `note` why it is not."""
        with self.database.transaction() as transaction:
            held = store.held_images(transaction, [given["image"]])
            image = pin(given["image"], held)
            transaction.execute(
                "put_application", name=name, image=image,
                command=json.dumps(given["command"]), description=given["description"],
            )  # fmt: skip
            store.record(transaction, actor.name, "application.put", name, image=image)
        return {"name": name, "image": image, "note": why_not_pinned(given["image"], held)}

    def delete_application(self, name: str, actor: Actor) -> None:
        with self.database.transaction() as transaction:
            if not transaction.execute("delete_application", name=name):
                raise NotRegisteredError(f"there is no application {name!r}")
            store.record(transaction, actor.name, "application.delete", name)

    def audit(self, before: int, target: str | None, limit: int) -> list[Json]:
        """Return what was done before an entry, newest first."""
        with self.database.transaction() as transaction:
            rows = transaction.all("list_audit", before=before, target=target, limit=limit)
        return [
            {**row, "detail": json.loads(row["detail"]) if row["detail"] else None} for row in rows
        ]


def token_of(row: Row) -> Json:
    """Read a row of tokens; what a calendar link shows is in the audit of its making."""
    made = {key: value for key, value in row.items() if key != "made"}
    return {**made, "shows": shown_words(row["role"], json.loads(row["made"] or "{}"))}


def _require_shown(transaction: Transaction, shown: Shown) -> None:
    if shown.instance and shown.instance not in store.known_instances(transaction):
        raise NoSuchInstanceError(f"there is no instance {shown.instance!r}")
    if shown.application and shown.application not in store.applications(transaction):
        raise NotRegisteredError(f"there is no application {shown.application!r}")


def _keep_an_admin(transaction: Transaction, but: str) -> None:
    row = transaction.one("count_admins", but=but)
    if row is None or not row["admins"]:
        raise ConflictError("somebody must remain who is admin")

"""Schedule files on their way in: validate, plan, apply; and what is done to single instances.

What a plan is, is `domain.plan`'s; this carries it out in one transaction (G1).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from application_manager import store
from application_manager.domain.access import Actor
from application_manager.domain.plan import (
    Kind,
    Plan,
    Stored,
    children_of,
    find_cycle,
    make_plan,
    removal_of,
)
from application_manager.transactions import in_transaction
from common.db import Database, Transaction
from common.documents.checker import did_you_mean
from common.errors import Permanent
from common.failpoints import failpoint
from common.image import is_named_by
from common.schedule import InstanceSpec, Problem, load_many


class NoSuchInstanceError(Permanent):
    """There is no such instance."""


class ConflictError(Permanent):
    """The platform is not as the request assumes."""


class InvalidFilesError(Permanent):
    """The files have problems; nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems; nothing was changed")
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Upload:
    """Files as they came, and whether what they do not name is to go."""

    files: tuple[tuple[str, str], ...]
    prune: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.files, self.prune]).encode()).hexdigest()


@dataclass(frozen=True)
class Terms:
    """On what terms an upload is to be applied."""

    if_match: str | None = None
    key: str | None = None


class Schedules:
    """The instances' door for people. Safe to share between threads: it keeps nothing."""

    def __init__(
        self,
        database: Database,
        on_change: Callable[[], None],
        allowed_images: Sequence[str] = ("*",),
        secrets: Sequence[str] | None = None,
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._allowed_images = tuple(allowed_images)
        self._secrets = secrets  # None: it is not known here which there are

    def plan(self, upload: Upload) -> Plan:
        """Tell what applying would do; raises `InvalidFilesError` with every problem."""
        with self._database.transaction() as transaction:
            plan = self._plan(transaction, upload, store.stored_instances)
            removed = [c.instance_id for c in plan.changes if c.kind is Kind.REMOVED]
            rows = transaction.all("unended_jobs", instances=removed) if removed else []
        return replace(plan, cancelled_jobs=tuple(row["job_id"] for row in rows))

    def apply(self, upload: Upload, actor: Actor, terms: Terms) -> dict[str, Any]:
        """Do it, all or nothing, and publish the ids after the commit; return what was done.

        Raises `ConflictError` where the plan is not the one of `if_match` any more. The same key
        again gets the first answer and changes nothing.
        """
        done = in_transaction(
            self._database, lambda transaction: self._apply(transaction, upload, actor, terms)
        )
        failpoint("application_manager.after_commit")
        self._on_change()
        return done

    def delete(self, instance_id: str, actor: Actor, *, cascade: bool) -> list[str]:
        """Delete an instance; with `cascade` also those that wait for it. Return their ids."""
        with self._database.transaction() as transaction:
            there = store.all_instances(transaction)
            if instance_id not in there:
                raise NoSuchInstanceError(f"there is no instance {instance_id!r}")
            doomed = _with_descendants(instance_id, there)
            if len(doomed) > 1 and not cascade:
                waiting = ", ".join(doomed[1:])
                raise ConflictError(f"{waiting} would wait for it for ever: delete these too")
            locked = store.lock_instances(transaction, doomed)
            store.write_changes(transaction, [removal_of(locked[i]) for i in doomed], actor.name)
            for each in doomed:
                store.record(transaction, actor.name, "instance.delete", each)
        self._on_change()
        return doomed

    def pause(self, instance_id: str, actor: Actor, *, paused: bool, reason: str | None) -> None:
        """Pause or resume an instance; its due times are SKIPPED(paused) meanwhile."""
        with self._database.transaction() as transaction:
            before = store.lock_instances(transaction, [instance_id]).get(instance_id)
            if before is None or before.deleted:
                raise NoSuchInstanceError(f"there is no instance {instance_id!r}")
            transaction.execute(
                "set_paused", instance_id=instance_id, paused=paused,
                actor=actor.name if paused else None, reason=reason if paused else None,
            )  # fmt: skip
            if before.paused != paused:
                transaction.execute("add_pause", instance_id=instance_id, paused=paused)
            store.announce(transaction, [instance_id])
            action = "instance.pause" if paused else "instance.resume"
            store.record(transaction, actor.name, action, instance_id, reason=reason)
        self._on_change()

    def _apply(
        self, transaction: Transaction, upload: Upload, actor: Actor, terms: Terms
    ) -> dict[str, Any]:
        before = _answer_to(transaction, upload, actor, terms)
        if before is not None:
            return before
        plan = self._plan(transaction, upload, store.lock_instances)
        if terms.if_match is not None and terms.if_match != plan.etag:
            raise ConflictError("the platform has changed since the plan was shown")
        writes = plan.writes
        store.write_changes(transaction, writes, actor.name)
        for change in writes:
            store.record(transaction, actor.name, f"instance.{change.kind}",
                         change.instance_id, version=change.version)  # fmt: skip
        done = summary_of(plan)
        if terms.key is not None:
            transaction.execute(
                "keep_answer", actor=actor.name, key=terms.key, request_hash=upload.digest,
                response=json.dumps(done),
            )  # fmt: skip
        failpoint("application_manager.before_commit")
        return done

    def _plan(
        self,
        transaction: Transaction,
        upload: Upload,
        read: Callable[[Transaction, Collection[str]], dict[str, Stored]],
    ) -> Plan:
        known = store.known_instances(transaction)
        loaded = load_many(upload.files, () if upload.prune else known)
        if loaded.problems:
            raise InvalidFilesError(loaded.problems)
        wanted = [spec.id for spec in loaded.instances]
        removed = known - set(wanted) if upload.prune else set()
        stored = read(transaction, [*wanted, *removed])
        held = store.held_images(transaction, {spec.app for spec in loaded.instances})
        applications = store.applications(transaction)
        plan = make_plan(loaded.instances, stored, applications, removed, held=held)
        _refuse_cycles(transaction, upload, plan)
        self._refuse_images(upload, plan)
        self._refuse_secrets(upload, plan, loaded.instances)
        return plan

    def _refuse_secrets(
        self, upload: Upload, plan: Plan, instances: Sequence[InstanceSpec]
    ) -> None:
        """Only secrets that the machines have; what is stored already stays."""
        if self._secrets is None:
            return
        changed = {change.instance_id for change in plan.changes
                   if change.kind in (Kind.ADDED, Kind.CHANGED)}  # fmt: skip
        problems = [
            Problem(*place_of(upload.files, spec.id), "secrets", "unknown_secret",
                    f"{spec.id}: the platform has no secret {name!r}",
                    did_you_mean(name, self._secrets)
                    or f"rota platform secrets set {name}, then rota platform up")
            for spec in instances
            if spec.id in changed
            for name in spec.secrets
            if name not in self._secrets
        ]  # fmt: skip
        if problems:
            raise InvalidFilesError(problems)

    def _refuse_images(self, upload: Upload, plan: Plan) -> None:
        """Only images that the operator allows are run; what is stored already stays."""
        problems = [
            Problem(*place_of(upload.files, change.instance_id), "app", "image_not_allowed",
                    f"{change.instance_id}: the image {change.image!r} is not allowed here",
                    f"allowed are {', '.join(self._allowed_images)}")
            for change in plan.changes
            if change.kind in (Kind.ADDED, Kind.CHANGED)
            and not any(is_named_by(change.image, each) for each in self._allowed_images)
        ]  # fmt: skip
        if problems:
            raise InvalidFilesError(problems)



def summary_of(plan: Plan) -> dict[str, Any]:
    """Tell a plan as JSON; due times are added where somebody looks at it."""
    counts = Counter(change.kind for change in plan.changes)
    return {
        "etag": plan.etag,
        **{kind: counts[kind] for kind in Kind},
        "changes": [
            {"kind": change.kind, "instance": change.instance_id, "version": change.version,
             "fields": list(change.fields)}
            for change in plan.changes
        ],
    }  # fmt: skip


def _answer_to(
    transaction: Transaction, upload: Upload, actor: Actor, terms: Terms
) -> dict[str, Any] | None:
    if terms.key is None:
        return None
    row = transaction.one("find_answer", actor=actor.name, key=terms.key)
    if row is None:
        return None
    if row["request_hash"] != upload.digest:
        raise ConflictError("this Idempotency-Key was used for another upload")
    answer: dict[str, Any] = json.loads(row["response"])
    return answer


def _refuse_cycles(transaction: Transaction, upload: Upload, plan: Plan) -> None:
    """A cycle may run through instances that the files do not name."""
    if upload.prune or not any(change.spec.depends_on for change in plan.changes):
        return
    specs = {name: each.spec for name, each in store.all_instances(transaction).items()}
    specs |= {change.instance_id: change.spec for change in plan.changes}
    cycle = find_cycle(specs.values())
    if cycle:
        named = {change.instance_id for change in plan.changes}
        place = place_of(upload.files, next(each for each in cycle if each in named))
        message = f"these wait for each other: {' → '.join(cycle)}"
        raise InvalidFilesError([Problem(*place, "depends_on", "cycle", message)])


def place_of(
    files: Sequence[tuple[str, str]], instance_id: str
) -> tuple[str, int | None, int | None]:
    """Return (file, line, column) of an instance's id, for problems found after reading."""
    pattern = re.compile(rf"\bid[\"']?\s*:\s*[\"']?({re.escape(instance_id)})(?![a-z0-9-])")
    for name, text in files:
        found = pattern.search(text)
        if found:
            before = text[: found.start(1)]
            return name, before.count("\n") + 1, found.start(1) - before.rfind("\n")
    return files[0][0], None, None


def _with_descendants(instance_id: str, there: dict[str, Stored]) -> list[str]:
    specs: list[InstanceSpec] = [each.spec for each in there.values()]
    found = [instance_id]
    for each in found:
        found += [child for child in children_of(each, specs) if child not in found]
    return found


"""What a plan says, and when two plans are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from application_manager.domain.plan import (
    Application,
    Kind,
    Stored,
    children_of,
    find_cycle,
    make_plan,
)
from common.schedule import Dependency, InstanceSpec, Recurrence

DAILY = Recurrence(form="cron", cron="0 8 * * *")


def spec(name: str, *parents: str, **more: object) -> InstanceSpec:
    edges = tuple(Dependency(instance=parent) for parent in parents)
    return InstanceSpec(id=name, app="heating", schedule=DAILY, depends_on=edges, **more)  # type: ignore[arg-type]


def stored(made: InstanceSpec, version: int = 1, **more: object) -> dict[str, Stored]:
    return {made.id: Stored(made.id, version, made, made.app, made.command, **more)}  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "kind", "version"), [
    ({}, Kind.ADDED, 1),
    (stored(spec("a")), Kind.UNCHANGED, 1),
    (stored(spec("a", priority=9), 4), Kind.CHANGED, 5),
    (stored(spec("a"), 4, deleted=True), Kind.ADDED, 5),
])  # fmt: skip
def test_each_instance_is_added_changed_or_left(
    before: dict[str, Stored], kind: Kind, version: int
) -> None:
    (change,) = make_plan([spec("a")], before, {}).changes
    assert (change.kind, change.version) == (kind, version)


def test_the_image_comes_from_the_repository_where_the_application_is_there() -> None:
    repository = {"heating": Application("heating", "registry/heating:1.4", ("serve",))}
    (change,) = make_plan([spec("a")], {}, repository).changes
    assert (change.image, change.command) == ("registry/heating:1.4", ("serve",))
    (own,) = make_plan([spec("a", command=("other",))], {}, repository).changes
    assert own.command == ("other",)
    (inline,) = make_plan([spec("a")], {}, {}).changes
    assert inline.image == "heating"


def test_a_new_image_of_an_application_changes_its_instances() -> None:
    repository = {"heating": Application("heating", "registry/heating:1.5")}
    (change,) = make_plan([spec("a")], stored(spec("a")), repository).changes
    assert (change.kind, change.fields) == (Kind.CHANGED, ("image",))


def test_the_fields_that_differ_are_named_inside_the_schedule_too() -> None:
    other = replace_schedule(spec("a", priority=3), "0 9 * * *")
    (change,) = make_plan([other], stored(spec("a")), {}).changes
    assert change.fields == ("priority", "schedule.cron")


def replace_schedule(made: InstanceSpec, cron: str) -> InstanceSpec:
    return InstanceSpec(id=made.id, app=made.app, priority=made.priority,
                        schedule=Recurrence(form="cron", cron=cron))  # fmt: skip


def test_the_etag_changes_with_the_files_and_with_the_platform() -> None:
    one = make_plan([spec("a")], {}, {})
    assert one.etag == make_plan([spec("a")], {}, {}).etag
    known = stored(spec("a"))
    others = [
        make_plan([spec("b")], {}, {}),
        make_plan([spec("a", priority=2)], {}, {}),
        make_plan([spec("a")], known, {}),
        make_plan([spec("a")], {"a": replace(known["a"], version=2, image="x")}, {}),
        make_plan([spec("a")], {}, {"heating": Application("heating", "x:2")}),
    ]
    etags = {one.etag, *(other.etag for other in others)}
    assert len(etags) == 6


def test_what_is_to_go_is_removed_with_a_version_of_its_own() -> None:
    before = {**stored(spec("a")), **stored(spec("b"), 3)}
    plan = make_plan([spec("a")], before, {}, ["b"])
    assert [(c.kind, c.instance_id, c.version) for c in plan.writes] == [(Kind.REMOVED, "b", 4)]


@pytest.mark.parametrize(("edges", "cycle"), [
    ({"a": [], "b": ["a"]}, None),
    ({"a": ["a"]}, ["a", "a"]),
    ({"a": ["c"], "b": ["a"], "c": ["b"]}, ["a", "c", "b", "a"]),
    ({"d": ["a"], "a": ["b"], "b": ["a"]}, ["a", "b", "a"]),
    ({"a": ["elsewhere"]}, None),
    ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, None),
])  # fmt: skip
def test_a_cycle_is_found_and_its_path_named(
    edges: dict[str, list[str]], cycle: list[str] | None
) -> None:
    assert find_cycle(spec(name, *parents) for name, parents in edges.items()) == cycle


def test_a_long_chain_is_no_cycle_and_is_walked_once() -> None:
    chain = [spec("s0"), *(spec(f"s{n}", f"s{n - 1}") for n in range(1, 3000))]
    assert find_cycle(reversed(chain)) is None


def test_children_are_those_that_wait_for_it() -> None:
    assert children_of("a", [spec("a"), spec("c", "a"), spec("b", "a", "c")]) == ["b", "c"]

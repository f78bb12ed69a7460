"""The table machine by phase that a person watches while `up` works."""

import io

from rich.console import Console

from cli.platform_progress import MOST_ROWS, TableProgress
from cli.platform_status import picture
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure


def step(machine, phase=Phase.DOCKER, key=None):
    return Step(key or f"{phase}@{machine}", machine, phase, "install", "absent", lambda: None)


class Watch:
    """A clock that a test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def screen(table, width=80):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table.picture())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_before_the_plan_there_is_one_line():
    assert screen(TableProgress(Watch())) == ["  0.0 s  looking at the machines"]


def test_each_cell_tells_how_far_it_is_and_fits_80_columns():
    watch = Watch()
    table = TableProgress(watch)
    images = [step("m1", Phase.IMAGES, f"image:{n}@m1") for n in range(3)]
    table.planned([step("m1"), *images, step("m1", Phase.HEALTH), step("m2")])
    table.started(step("m1"))
    table.finished(step("m1"), 11.04)
    table.started(images[0])
    table.finished(images[0], 2.0)
    table.started(step("m2"))
    table.failed(step("m2"), Failure("m2", "installing", "the disk is full"))
    table.started(images[1])
    watch.seconds = 7.4
    lines = screen(table)
    assert [line.split() for line in lines[:3]] == [
        ["machine", *(phase.value for phase in Phase)],
        ["m1", "ok", "11.0s", "-", "1/3", "7s", "-", "-", "-", "-", "waiting"],
        ["m2", "failed", "-", "-", "-", "-", "-", "-", "-"],
    ]
    assert lines[3].startswith("  7.4 s  m1: install")
    assert all(len(line) <= 80 for line in lines)


def test_many_machines_are_folded_and_those_that_need_eyes_stay():
    table = TableProgress(Watch())
    names = [f"m{number}" for number in range(1, 41)]
    table.planned([step(name) for name in names])
    for name in names[:30]:
        table.started(step(name))
        table.finished(step(name), 1.0)
    table.failed(step("m40"), Failure("m40", "installing", "full"))
    lines = screen(table)
    assert len(lines) == MOST_ROWS + 3
    assert lines[1].startswith("m40")
    assert lines[-2] == "and 24 more: 24 done"


def test_what_is_not_well_stands_out_in_the_status():
    found = {
        "platform": "acme", "url": "https://10.0.0.1:8443", "kafka": None,
        "machines": [{"machine": "m1", "address": "10.0.0.1", "state": "reachable", "docker": "24",
                      "cpus": 2, "memory_mb": 2048, "detail": None}],
        "services": [
            {"machine": "m1", "service": "kafka", "state": "running", "health": "healthy",
             "restarts": 0, "image": "a", "started_at": None, "detail": None},
            {"machine": "m1", "service": "scheduler", "state": "running", "health": "not ready",
             "restarts": 3, "image": "b", "started_at": None, "detail": "mysql: refused"}],
    }  # fmt: skip
    console = Console(width=110, file=io.StringIO(), color_system=None)
    console.print(picture(found, "09:41:00"))
    shown = console.file.getvalue()
    assert "page https://10.0.0.1:8443   kafka -" in shown
    assert "mysql: refused" in shown
    assert "1 of 2 services are well" in shown

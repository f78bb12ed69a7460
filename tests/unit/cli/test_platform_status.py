"""What `rota platform status` prints, whole, as files that only change on purpose."""

import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cli.output import Format
from cli.platform_status import picture, show
from platform_initializer.comparing import compare, compare_all
from platform_initializer.errors import Failure
from platform_initializer.gather import Gathered
from platform_initializer.health import Said
from platform_initializer.status import report
from tests.unit.platform_initializer.worlds import change, converged, world

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def done(tmp_path):
    return converged(world(tmp_path))


def with_container(there, machine, service, **changes):
    containers = dict(there.facts[machine].containers)
    containers[service] = replace(containers[service], **changes)
    return change(there, machine, containers=containers)


def gathered(there):
    return Gathered(dict(there.hosts), dict(there.facts))


def look(there, answers=None):
    found = (answers or {}, compare(there))
    return report(there.description, there.machines, gathered(there), found)


def check(name, text):
    path = GOLDEN / name
    if os.environ.get("ROTA_UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


def drifted(there):
    """One container made from another image and setting, one that stopped, one that is gone."""
    home = there.homes_of("scheduler")[0]
    wanted = there.container("scheduler", home)
    old = replace(wanted, image_id="sha256:" + "0" * 64, memory_mb=128)
    there = with_container(there, home, "scheduler", spec=json.dumps(old.__dict__),
                           image_id=old.image_id, spec_hash="1111222233334444", restarts=3)
    there = with_container(there, "m2", "client", state="exited")
    containers = {n: c for n, c in there.facts["m1"].containers.items() if n != "client"}
    return change(there, "m1", containers=containers, has_firewall_rules=False)


def answers_of(there):
    return {name: {service: Said(None, 2.4) for service in facts.containers
                   if service not in {"kafka", "mysql"}}
            for name, facts in there.facts.items() if name == "m3"}


def test_nothing_differs_where_every_machine_is_as_wanted(done):
    found = look(done)
    assert found["not_compared"] is None
    assert {row["drift"] for row in [*found["services"], *found["machines"]]} == {"none"}
    assert all(row["image"] == row["wanted_image"] for row in found["services"])
    assert all(row["spec"] == row["wanted_spec"] for row in found["services"])


def test_what_differs_in_words(done, capsys):
    there = drifted(done)
    show(look(there, answers_of(there)), Format.TABLE)
    check("platform-status.table", capsys.readouterr().out)


def test_what_differs_as_json(done, capsys):
    there = drifted(done)
    show(look(there, answers_of(there)), Format.JSON)
    shown = re.sub(r'spec": "(?!1111)[0-9a-f]{16}"', 'spec": "HASH"', capsys.readouterr().out)
    check("platform-status.json", shown)  # the hashes stand for secrets made anew, too


def test_what_differs_stands_out_while_watching(done):
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(picture(look(drifted(done)), "09:41:00"))
    assert "4 differ from what is wanted: rota platform plan" in console.file.getvalue()


def test_what_runs_where_it_is_not_wanted_is_told_as_the_plan_does(done):
    home = done.homes_of("scheduler")[0]
    other = next(name for name in done.names if name != home)
    wish = replace(done.description.wish("scheduler"), on=(other,))
    moved = replace(done, description=replace(
        done.description, services={**done.description.services, "scheduler": wish}))
    rows = {(r["machine"], r["service"]): r for r in look(moved)["services"]}
    assert rows[home, "scheduler"]["drift"] == "it was placed elsewhere"
    assert rows[home, "scheduler"]["wanted_image"] is None
    assert rows[other, "scheduler"]["drift"] == "does not run there"


def test_with_a_silent_machine_nothing_is_guessed(done, capsys):
    known = gathered(done)
    del known.facts["m2"]
    known.failures.append(Failure("m2", "reaching it", "no answer"))
    machines = list(done.machines.values())
    compared = compare_all(done.description, machines, known, done.store)
    found = report(done.description, done.machines, known, ({}, compared))
    assert {row["drift"] for row in [*found["services"], *found["machines"]]} == {None}
    show(found, Format.TABLE)
    assert "could not be compared: nothing is known of m2" in capsys.readouterr().out


def test_what_differs_for_programs(done):
    there = drifted(done)
    found = look(there, answers_of(there))
    rows = {(row["machine"], row["service"]): row for row in found["services"]}
    gone, stopped = rows["m1", "client"], rows["m2", "client"]
    assert (gone["state"], gone["health"], gone["image"]) == ("absent", "absent", None)
    assert (gone["drift"], stopped["drift"]) == ("does not run there", "it is exited")
    assert gone["wanted_image"] == stopped["wanted_image"] is not None
    assert rows["m3", "client"]["heartbeat_age_s"] == 2.4
    assert {m["machine"]: m["heartbeat_age_s"] for m in found["machines"]} == {
        "m1": None, "m2": None, "m3": 2.4}

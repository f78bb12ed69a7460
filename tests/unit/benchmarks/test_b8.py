import json

from benchmarks import playbook
from benchmarks.b8 import Stopwatch
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.steps import configuration, guards
from tests.unit.platform_initializer.worlds import converged, world


def step(key, *after):
    return Step(key, "m1", Phase.FILES, key, "", lambda: None, frozenset(after))


def test_the_critical_path_is_the_longest_chain_and_not_the_longest_step():
    watch = Stopwatch()
    watch.planned([step("c", "b", "gone"), step("a"), step("b", "a"), step("long")])
    for key, seconds in {"a": 2.0, "b": 3.0, "c": 1.0, "long": 5.5}.items():
        watch.finished(step(key), seconds)
    assert watch.critical_path() == (6.0, ["a", "b", "c"])


def test_the_playbook_looks_at_all_that_the_plan_looks_at(tmp_path, monkeypatch):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "ansible-playbook").touch()
    monkeypatch.setattr(playbook, "VENV", venv)
    there = converged(world(tmp_path))
    folder = tmp_path / "book"
    folder.mkdir()
    playbook.Playbook(there, folder, tmp_path / "key")
    hosts = json.loads((folder / "inventory.json").read_text())["all"]["hosts"]
    assert hosts.keys() == set(there.names)
    for name, told in hosts.items():
        wanted = [*configuration.wanted_files(there, name), *guards.wanted_files(there)]
        assert [one["dest"] for one in told["files"]] == [file.path for file in wanted]
        assert [one["spec_hash"] for one in told["containers"]] == [
            there.container(service, name).spec_hash()
            for service in [*(p.service for p in there.placed() if p.machine == name), "client"]]  # fmt: skip

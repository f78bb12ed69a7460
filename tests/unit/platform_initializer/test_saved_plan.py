"""A plan in a file: read back as it was written, and nothing else taken for one."""

from dataclasses import replace

import pytest

from common.errors import ConfigError
from platform_initializer.planning import plan
from platform_initializer.saved_plan import load_plan, make_plan, save_plan, signature
from tests.unit.platform_initializer.worlds import NOW, converged, world


def test_it_is_read_back_as_it_was_and_is_for_its_owner_alone(tmp_path):
    there = world(tmp_path)
    made = make_plan("test", NOW, there.facts, plan(there))
    path = tmp_path / "a.plan"
    save_plan(made, path)
    assert load_plan(path, "test") == made
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"form": "rota-plan-1"}', "\x00", '{"form": 1}'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "a.plan"
    path.write_text(content)
    with pytest.raises(ConfigError, match="not a plan"):
        load_plan(path, "test")


def test_another_platforms_plan_is_refused(tmp_path):
    path = tmp_path / "a.plan"
    save_plan(make_plan("test", NOW, {}, ()), path)
    with pytest.raises(ConfigError, match="of platform test"):
        load_plan(path, "other")


def test_what_moves_by_itself_is_no_change(tmp_path):
    facts = converged(world(tmp_path)).facts["m1"]
    moved = replace(facts, clock=99, load=7.0, disk_free=1, memory_free=1, job_containers=4)
    assert signature(moved) == signature(facts)


def test_no_secret_is_in_it(tmp_path):
    there = world(tmp_path)
    path = tmp_path / "a.plan"
    save_plan(make_plan("test", NOW, converged(there).facts, plan(there)), path)
    text = path.read_text()
    values = [v for k, v in there.store.values().items() if len(v) >= 20 and not k.endswith("_cert")]
    assert [value for value in values if value in text] == []

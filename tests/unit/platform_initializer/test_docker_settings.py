"""Docker's daemon.json: what we need is added, what its owner wrote stays."""

import json

import pytest

from platform_initializer.domain.docker_settings import StrangeSettingsError, settings_change
from platform_initializer.domain.facts import Facts


def facts(settings="", cgroup="/"):
    return Facts(docker="20.10", docker_settings=settings, cgroup=cgroup)


def test_a_machine_without_the_file_gets_one_and_a_reload_is_enough():
    change = settings_change(facts())
    assert json.loads(change.text) == {"live-restore": True}
    assert not change.needs_restart


def test_what_its_owner_wrote_is_kept():
    change = settings_change(facts('{"log-driver": "journald", "live-restore": false}'))
    assert json.loads(change.text) == {"log-driver": "journald", "live-restore": True}


def test_a_machine_in_a_container_counts_its_containers_which_needs_a_restart():
    change = settings_change(facts('{"live-restore": true}', "/docker/ab"))
    assert change.needs_restart
    assert json.loads(change.text)["cgroup-parent"] == "/docker/ab"
    assert change.reasons == ("Docker's setting that counts containers as this machine's load",)


def test_what_it_wrote_is_not_written_again():
    for cgroup in ("/", "/docker/ab"):
        assert settings_change(facts(settings_change(facts("", cgroup)).text, cgroup)) is None


@pytest.mark.parametrize("text", ["{", "[]", "{'a': 1}"])
def test_a_file_that_is_no_json_object_is_its_owners_to_mend(text):
    with pytest.raises(StrangeSettingsError, match="daemon"):
        settings_change(facts(text))

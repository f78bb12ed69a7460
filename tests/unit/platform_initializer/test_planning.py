"""The plan: complete on bare machines, empty when nothing differs, exact when one thing does."""

import io
import tarfile
from dataclasses import replace

import pytest

from common.errors import ConfigError
from common.secret import Secret
from platform_initializer.domain.description import MailServer, ServiceWish
from platform_initializer.domain.facts import FileFact
from platform_initializer.domain.steps import Risk
from platform_initializer.errors import MachineError
from platform_initializer.host import archive
from platform_initializer.planning import plan
from platform_initializer.steps import configuration, guards
from tests.unit.platform_initializer.worlds import APP, change, converged, world

MAP = "/etc/rota/platform.json"


@pytest.fixture
def bare(tmp_path):
    return world(tmp_path)


@pytest.fixture
def done(bare):
    return converged(bare)


def keys(steps):
    return {step.key for step in steps}


def test_bare_machines_get_everything_in_an_order_that_can_work(bare):
    steps = {step.key: step for step in plan(bare)}
    assert {f"docker@{m}" for m in bare.names} <= set(steps)
    assert {f"client@{m}" for m in bare.names} <= set(steps)
    assert steps["databases"].machine == "m2"
    assert "mysql@m2" in steps["databases"].after
    assert {"databases", "topics"} <= steps["scheduler@m3"].after
    assert {"docker@m1", "files@m1", "image:rota/kafka:dev@m1"} <= steps["kafka@m1"].after
    unknown = {key for step in steps.values() for key in step.after} - set(steps)
    assert unknown == set(), "a bare platform's steps wait for nothing that is not among them"


def test_a_machine_gets_the_images_it_needs_and_no_other(bare):
    sent = {m: [s.key.split("@")[0] for s in plan(bare) if s.machine == m and "image:" in s.key]
            for m in bare.names}
    apps = ["image:rota/services:dev", f"image:{APP}"]
    assert sent == {"m1": ["image:rota/kafka:dev", *apps], "m2": ["image:rota/mysql:dev", *apps],
                    "m3": apps}


def test_nothing_differs_nothing_is_planned(done):
    assert plan(done) == []


@pytest.mark.parametrize(("changes", "expected"), [
    ({"docker": ""}, {"docker@m3"}),
    ({"has_sampler": False}, {"docker@m3"}),
    ({"cgroup": "/docker/abc"}, {"docker@m3"}),
    ({"docker_settings": ""}, {"docker@m3"}),
    ({"units": {}}, {"guards@m3"}),
    ({"units": {"rota-watchdog.service": "failed enabled",
                "rota-firewall.service": "active enabled"}}, {"guards@m3"}),
    ({"has_firewall_rules": False}, {"guards@m3"}),
])
def test_a_machine_that_lacks_something_is_prepared_again(done, changes, expected):
    assert keys(plan(change(done, "m3", **changes))) == expected


@pytest.mark.parametrize("fact", [
    FileFact("0" * 64, 0o644, 0), FileFact("", 0o666, 0), FileFact("", 0o644, 1000),
])
def test_a_file_of_other_content_mode_or_owner_is_written_again(done, fact):
    there = done.facts["m1"].files[MAP]
    other = FileFact(fact.sha256 or there.sha256, fact.mode, fact.uid)
    changed = change(done, "m1", files={**done.facts["m1"].files, MAP: other})
    assert keys(plan(changed)) == {"files@m1"}


def test_a_changed_policy_of_apps_reaches_every_client_and_nobody_else(bare, done):
    relaxed = replace(done, description=replace(done.description, policy='{"allowed": ["shop/*"]}'))
    steps = {step.key: step for step in plan(relaxed)}
    assert set(steps) == {f"{what}@{m}" for what in ("files", "client") for m in done.names}
    assert "policy.json" in steps["client@m1"].reason
    assert plan(converged(replace(bare, description=relaxed.description))) == []


def test_a_mail_server_and_its_password_reach_the_application_manager_alone(bare, done):
    mail = MailServer("smtp.example", "rota@example.org", user="rota", password=Secret("canary-7"))
    told = replace(done, description=replace(done.description, mail=mail))
    (home,) = done.homes_of("application_manager")
    steps = {step.key: step for step in plan(told)}
    assert set(steps) == {f"files@{home}", f"application_manager@{home}"}
    assert "ROTA_MAIL_HOST" in steps[f"application_manager@{home}"].reason
    other = replace(told, description=replace(
        told.description, mail=replace(mail, password=Secret("canary-8"))))
    agreed = converged(replace(bare, description=told.description))
    changed = replace(agreed, description=other.description)
    again = {step.key: step for step in plan(changed)}
    assert set(again) == {f"files@{home}", f"application_manager@{home}"}
    assert not [step for step in (*steps.values(), *again.values()) if "canary" in repr(step)]
    assert plan(agreed) == []


def test_no_client_starts_before_its_machine_is_guarded(bare):
    steps = {step.key: step for step in plan(bare)}
    assert all(f"guards@{m}" in steps[f"client@{m}"].after for m in bare.names)


def test_an_address_that_a_machine_has_besides_is_closed_on_all(done):
    grown = change(done, "m2", addresses=("198.51.100.7", "2001:db8::7"))
    steps = plan(grown)
    assert keys(steps) == {"guards@m1", "guards@m2", "guards@m3"}
    assert {step.reason for step in steps} == {"absent or different: platform.addresses"}
    assert guards.addresses_of(grown) == [
        "10.0.0.1", "10.0.0.2", "10.0.0.3", "198.51.100.7", "2001:db8::7"]


def test_a_machine_that_the_file_calls_by_name_is_closed_by_its_own_addresses(done):
    named = {**done.machines, "m1": replace(done.machines["m1"], address="m1.example")}
    world = change(replace(done, machines=named), "m1", addresses=("10.0.0.1",))
    assert guards.addresses_of(world) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_a_container_that_is_gone_or_stopped_is_started_again(done):
    there = done.facts["m3"].containers
    gone = change(done, "m3", containers={k: v for k, v in there.items() if k != "scheduler"})
    assert [(s.key, s.reason) for s in plan(gone)] == [("scheduler@m3", "does not run there")]
    stopped = {**there, "client": replace(there["client"], state="exited")}
    steps = plan(change(done, "m3", containers=stopped))
    assert [(s.key, s.reason) for s in steps] == [("client@m3", "it is exited")]


def test_a_changed_setting_names_the_field_and_restarts_that_service_alone(done):
    other = replace(done, description=replace(done.description, publish=9443))
    steps = plan(other)
    assert [(s.key, s.risk, s.reason) for s in steps] == [
        ("application_manager@m3", Risk.RESTART, "ROTA_HTTP_PORT: 8443 -> 9443")
    ]


def test_a_new_password_on_kafka_is_told_to_kafka_first_and_says_no_secret(done):
    done.store._values["kafka_rota_scheduler"] = "x" * 32
    steps = {s.key: s for s in plan(done)}
    assert set(steps) == {"files@m1", "files@m3", "topics", "scheduler@m3"}
    assert "topics" in steps["scheduler@m3"].after
    assert not any("xxxx" in step.reason for step in steps.values())


def test_a_rotation_restarts_who_has_new_secrets_and_not_the_broker(done):
    done.store.rotate()
    steps = {s.key: s for s in plan(done)}
    assert "kafka@m1" not in steps
    assert steps["mysql@m2"].risk is Risk.DOWNTIME
    assert {"databases", "topics", "scheduler@m3", "client@m1", "load_balancer@m3"} <= set(steps)


def test_an_address_that_changed_reaches_its_consumers_only(done):
    moved = {**done.machines, "m2": replace(done.machines["m2"], address="10.9.9.9")}
    steps = keys(plan(replace(done, machines=moved)))
    mysql_users = {"scheduler@m3", "deployment_manager@m3", "node_manager@m3",
                   "application_manager@m3"}
    assert steps == {"files@m1", "files@m2", "files@m3", "guards@m1", "guards@m2", "guards@m3",
                     "mysql@m2", "client@m2", "databases",
                     *mysql_users}


def test_a_new_image_of_the_services_leaves_the_stores_alone(done):
    image = done.images["rota/services:dev"]
    images = {**done.images, "rota/services:dev": replace(image, image_id="sha256:" + "9" * 64)}
    steps = plan(replace(done, images=images))
    assert not [s for s in steps if s.key.startswith(("kafka", "mysql", "topics"))]
    assert {"image:rota/services:dev@m1", "client@m1", "databases"} <= keys(steps)


def test_a_service_pinned_elsewhere_is_stopped_before_it_is_started_there(done):
    wish = {"scheduler": ServiceWish(on=("m1",))}
    steps = {s.key: s for s in plan(replace(done, description=replace(done.description, services=wish)))}
    assert "remove:scheduler@m3" in steps["scheduler@m1"].after


def test_a_data_store_is_never_moved(done):
    wish = {"mysql": ServiceWish(on=("m1",))}
    with pytest.raises(MachineError, match="would be left behind"):
        plan(replace(done, description=replace(done.description, services=wish)))


def test_a_new_version_goes_to_one_client_first_and_to_replicas_in_turn(done):
    wish = {"scheduler": ServiceWish(on=("m1", "m2", "m3"), replicas=3)}
    three = converged(replace(done, description=replace(done.description, services=wish),
                              facts={n: replace(f, containers={}) for n, f in done.facts.items()}))
    image = three.images["rota/services:dev"]
    images = {**three.images, "rota/services:dev": replace(image, image_id="sha256:" + "9" * 64)}
    steps = {s.key: s for s in plan(replace(three, images=images))}
    assert "client@m1" in steps["client@m2"].after
    assert "client@m1" in steps["client@m3"].after
    assert "client@m2" not in steps["client@m3"].after
    assert "scheduler@m1" in steps["scheduler@m2"].after
    assert "scheduler@m2" in steps["scheduler@m3"].after


def test_one_more_machine_is_made_and_only_its_consumers_learn_of_it(tmp_path):
    four = world(tmp_path, count=4)
    three = converged(world(tmp_path / "three", count=3))
    three.store._values.update(four.store.values())
    there = converged(replace(three, store=four.store))
    grown = replace(four, facts={**there.facts, "m4": four.facts["m4"]})
    steps = keys(plan(grown))
    new = {key for key in steps if key.endswith("@m4")}
    assert {"docker@m4", "files@m4", "client@m4"} <= new
    assert steps - new == {"files@m1", "files@m2", "files@m3", "guards@m1", "guards@m2", "guards@m3",
                           "topics", "node_manager@m3"}


def test_a_secret_of_apps_is_brought_to_every_machine_told_nowhere_and_taken_away_again(
    bare, done
):
    canary = "canary-4711"
    done.store.set_app_secret("db-password", Secret(canary))
    steps = plan(done)
    assert {"files@m1", "files@m2", "files@m3"} <= keys(steps)
    assert canary not in repr(steps) + repr(done.container("application_manager", "m3"))
    assert ("ROTA_APP_SECRETS", "db-password") in done.container("application_manager", "m3").settings
    files = {file.path: file for file in configuration.wanted_files(done, "m1")}
    file = files["/etc/rota/app-secrets/db-password"]
    assert (file.content, file.mode, file.uid) == (canary.encode(), 0o444, 0)
    with tarfile.open(fileobj=io.BytesIO(archive([file]))) as tar:
        folder = tar.getmember("etc/rota/app-secrets")
        assert (folder.mode, folder.uid) == (0o700, 0)
    there = converged(bare)
    assert plan(there) == []
    there.store.set_app_secret("db-password", None)
    assert {"secrets@m1", "secrets@m2", "secrets@m3"} <= keys(plan(there))
    assert "db-password" not in repr(configuration.wanted_files(there, "m1"))


def test_rotating_the_platforms_secrets_leaves_those_of_apps(bare):
    bare.store.set_app_secret("db-password", Secret("x"))
    bare.store.rotate()
    assert bare.store.app_secrets() == {"db-password": "x"}
    bare.store.set_app_secret("db_cert", Secret("canary"))
    assert "canary" not in repr(bare.store.certificates())
    with pytest.raises(ConfigError, match="no name of a secret"):
        bare.store.set_app_secret("../etc/passwd", Secret("x"))

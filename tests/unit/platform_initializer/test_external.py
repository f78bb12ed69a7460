"""Kafka and MySQL elsewhere: what the file says, what is placed, what is asked of them."""

from dataclasses import replace

import pytest

from common.errors import ConfigError
from platform_initializer.document import DocumentError, parse_description
from platform_initializer.domain.external import External, missing_on_cluster, missing_on_server
from platform_initializer.errors import MachineError
from platform_initializer.planning import plan
from platform_initializer.preview import placed_of
from platform_initializer.steps import guards
from platform_initializer.steps.data import refuse_external
from tests.unit.platform_initializer.worlds import converged, world

PEM = "-----BEGIN CERTIFICATE-----\n"
KAFKA = External(("192.0.2.1:9094", "192.0.2.2:9094"), "ops", PEM + "kafka")
MYSQL = External(("192.0.2.3:3307",), "dba", PEM + "mysql")
BOTH = {"kafka": KAFKA, "mysql": MYSQL}
TOP = "version: 1\nplatform: a\nmachines: [{name: m1, address: h}]\n"


def outside(tmp_path, external=BOTH, passwords=("kafka", "mysql")):
    there = world(tmp_path, external=external)
    there.store.change({f"external_{store}": f"canary-{store}" for store in passwords}, ())
    return there


def read(tmp_path, text):
    (tmp_path / "ca.pem").write_text(PEM)
    return parse_description((TOP + text).encode(), "platform.yml", tmp_path)


def test_the_file_names_them_with_their_authority(tmp_path):
    found = read(tmp_path, "kafka: {external: {bootstrap: [k1, 'k2:9094'], ca: ca.pem, user: ops}}\n"
                           "mysql: {external: {address: db.example, ca: ca.pem, user: dba}}\n").external
    assert found["kafka"] == External(("k1:9092", "k2:9094"), "ops", PEM)
    assert found["mysql"] == External(("db.example:3306",), "dba", PEM)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("kafka: {external: {bootstrap: [k], user: o}}\n", ["kafka.external.ca"]),
        ("kafka: {external: {bootstrap: ['k:0'], ca: ca.pem, user: o}}\n", ["kafka.external.bootstrap[0]"]),
        ("mysql: {external: {address: d, ca: none.pem, user: o}}\n", ["mysql.external.ca"]),
        ("mysql: {external: {address: d, ca: ca.pem, user: o, password: p}}\n", ["mysql.external.password"]),
        ("mysql: {external: {address: d, ca: ca.pem, user: o}}\nservices: {mysql: {on: [m1]}}\n", ["services.mysql"]),
    ],
)
def test_what_is_wrong_stands_at_its_place(tmp_path, text, paths):
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, text)
    assert [problem.path for problem in caught.value.problems] == paths


def test_none_is_placed_and_tasks_and_services_go_there(tmp_path):
    there = outside(tmp_path)
    assert {p.service for p in there.placed()} & {"kafka", "mysql"} == set()
    steps = {step.key: step for step in plan(there)}
    assert {"databases", "topics"} <= steps.keys()
    assert not [key for key in steps if key.startswith(("kafka@", "mysql@", "image:rota/kafka", "image:rota/mysql"))]
    assert {key for step in steps.values() for key in step.after} <= steps.keys()
    settings = dict(there.container("scheduler", there.homes_of("scheduler")[0]).settings)
    assert settings["ROTA_KAFKA_BOOTSTRAP"] == "192.0.2.1:9094,192.0.2.2:9094"
    assert (settings["ROTA_MYSQL_HOST"], settings["ROTA_MYSQL_PORT"]) == ("192.0.2.3", "3307")
    files = {file.path.rsplit("/", 1)[-1]: file.content.decode() for file in there.secret_files("scheduler")}
    assert files[settings["ROTA_KAFKA_CA_FILE"].rsplit("/", 1)[-1]] == KAFKA.authority
    assert files[settings["ROTA_MYSQL_CA_FILE"].rsplit("/", 1)[-1]] == MYSQL.authority
    assert not [text for text in files.values() if "canary" in text], "services are not administrators"
    topics = {file.path.rsplit("/", 1)[-1]: file.content.decode() for file in there.secret_files("topics")}
    assert topics["kafka_password"] == "canary-kafka"
    assert "canary" not in repr(list(steps.values()))


def test_the_plan_says_whose_they_are_and_is_empty_once_done(tmp_path):
    there = outside(tmp_path)
    told = {p.service: (p.machine, p.reason) for p in placed_of(there)}
    assert told["mysql"] == ("192.0.2.3:3307", "external, as dba: not placed")
    done = converged(there)
    assert plan(done) == []
    moved = replace(done.description, external={**BOTH, "kafka": replace(KAFKA, addresses=("192.0.2.9:9094",))})
    keys = {step.key for step in plan(replace(done, description=moved))}
    assert "topics" in keys
    assert "databases" not in keys


def test_one_may_be_external_and_the_other_ours(tmp_path):
    there = outside(tmp_path, {"mysql": MYSQL})
    assert there.homes_of("kafka")
    assert plan(converged(there)) == []


def test_without_a_password_the_command_that_keeps_one_is_named(tmp_path):
    with pytest.raises(ConfigError, match="rota platform secrets external mysql < FILE"):
        plan(outside(tmp_path, passwords=("kafka",)))


def test_a_store_that_runs_here_is_not_left_behind(tmp_path):
    done = converged(world(tmp_path))
    done.store.change({"external_kafka": "x"}, ())
    with pytest.raises(MachineError, match="its data is here"):
        plan(replace(done, description=replace(done.description, external={"kafka": KAFKA})))


def test_apps_do_not_reach_them_and_backups_are_not_ours(tmp_path):
    there = outside(tmp_path)
    assert {"192.0.2.1", "192.0.2.2", "192.0.2.3"} <= set(guards.addresses_of(there))
    with pytest.raises(ConfigError, match="a server of yours"):
        refuse_external(there.description)
    refuse_external(world(tmp_path).description)


@pytest.mark.parametrize(
    ("allowed", "lacking"),
    [
        (["CREATE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS"], []),
        (["ALL"], []),
        (["DESCRIBE", "CREATE"], ["ALTER"]),
        ([], ["DESCRIBE", "CREATE", "ALTER"]),
    ],
)
def test_what_a_kafka_user_lacks_is_named_with_the_command_that_gives_it(allowed, lacking):
    said = missing_on_cluster("ops", allowed)
    assert [line.split("needs ")[1].split()[0] for line in said] == lacking
    assert all(f"--allow-principal User:ops --operation {one.title()} --cluster" in line
               for one, line in zip(lacking, said, strict=True))


SERVER = ("GRANT CREATE USER ON *.* TO `dba`@`%`", "GRANT SELECT ON `mysql`.* TO `dba`@`%`")
NAMES = ("rota_app", "rota_nodes", "rota_scheduler", "rota_deployer")
OURS = tuple(f"GRANT ALL PRIVILEGES ON `{name}`.* TO `dba`@`%` WITH GRANT OPTION" for name in NAMES)


@pytest.mark.parametrize(
    ("grants", "lacking"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION", "GRANT PROXY ON ``@`` TO `root`@`%`"], []),
        ([*SERVER, *OURS], []),
        (["GRANT USAGE ON *.* TO `dba`@`%`", *OURS], ["CREATE USER on *.*", "SELECT on `mysql`.*"]),
        ([*SERVER, *(grant.replace(" WITH GRANT OPTION", "") for grant in OURS)],
         [f"GRANT OPTION on `{name}`.*" for name in NAMES]),
        ([*SERVER, OURS[0]], [f"all rights on `{name}`.*" for name in NAMES[1:]]),
        # a pattern gives no right to give rights
        ([*SERVER, OURS[0].replace("rota_app", "rota\\_%")], [f"all rights on `{name}`.*" for name in NAMES]),
        (["GRANT USAGE ON *.* TO `dba`@`%`", "GRANT `admins`@`%` TO `dba`@`%`"], []),
    ],
)  # fmt: skip
def test_what_a_mysql_user_lacks_is_named_with_the_statement_that_gives_it(grants, lacking):
    said = missing_on_server("dba", grants)
    assert [line.removeprefix("dba lacks ").split(" (GRANT")[0] for line in said] == lacking
    assert all("TO 'dba'" in line for line in said)

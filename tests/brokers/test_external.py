"""A platform whose Kafka and MySQL are somebody else's: nothing of them placed, all made there.

The tests go on from each other in the order of the file.
"""

import json

import pytest
from kafka.admin import ACLOperation

from tests.brokers.outside import GRANTS, outside
from tests.brokers.platforms import operator_of, write_file
from tests.e2e.platform import wait_for
from tests.e2e.schedules import once, soon

pytestmark = pytest.mark.timeout(900)
MORE = """\
kafka: {{external: {{bootstrap: ["{kafka}"], ca: {ca}, user: ops}}}}
mysql: {{external: {{address: "{mysql}", ca: {ca}, user: dba}}}}
"""


@pytest.fixture(scope="module")
def theirs():
    with outside() as one:
        yield one


@pytest.fixture(scope="module")
def operator(tmp_path_factory, theirs):
    with operator_of("external", ("x1",), tmp_path_factory.mktemp("external")) as one:
        write_file(one, ("x1",), MORE.format(
            kafka=f"{theirs.address}:{theirs.kafka_port}", ca=theirs.ca_file,
            mysql=f"{theirs.address}:{theirs.mysql_port}"))
        yield one


def found_by_doctor(operator, code):
    done = operator.rota("platform", "doctor", "-f", str(operator.file), "-o", "json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return {(one["code"], one["evidence"]) for one in json.loads(done.stdout)
            if one["code"].startswith("E7")}


def test_the_password_is_asked_for_once_and_comes_by_stdin(operator, theirs):
    assert "rota platform secrets external mysql < FILE" in operator.ops("up", code=3, timeout=600)
    for store in ("kafka", "mysql"):
        operator.rota("platform", "secrets", "external", store, "-f", str(operator.file),
                      stdin=theirs.password + "\n")
    assert theirs.password not in operator.file.read_text()


def test_each_right_that_lacks_is_named(operator):
    said = operator.ops("up", code=8, timeout=600)
    for operation in ("Describe", "Create", "Alter"):
        assert f"--allow-principal User:ops --operation {operation} --cluster" in said
    assert "dba lacks CREATE USER on *.*" in said
    assert "`rota_scheduler`.*" in said


def test_with_just_these_rights_it_comes_up_and_runs_a_job(operator, theirs):
    theirs.allow_ops()
    theirs.as_root(*GRANTS)
    operator.ops("up", timeout=600)
    operator.assert_well()
    assert {service for _, service in operator.services()} & {"kafka", "mysql"} == set()
    assert "external, as dba: not placed" in operator.ops("plan")
    operator.apply(once("elsewhere", soon(3), ["run", "1"]))
    wait_for("a job of the platform", lambda: [
        job for job in operator.jobs("elsewhere") if job["state"] == "SUCCEEDED"])
    assert theirs.password not in operator.on_machine("x1", "sh", "-c", "docker inspect $(docker ps -q)")


def test_the_doctor_tells_what_is_away_and_what_is_no_longer_allowed(operator, theirs):
    assert found_by_doctor(operator, 0) == set()
    theirs.forbid_ops(ACLOperation.ALTER)
    ((code, evidence),) = found_by_doctor(operator, 1)
    assert code == "E702"
    assert "it needs ALTER on the cluster" in evidence
    theirs.allow_ops()
    theirs.stop_kafka()
    assert ("E701", f"kafka at {theirs.address}:{theirs.kafka_port}") in found_by_doctor(operator, 1)
    theirs.start_kafka()
    wait_for("nothing to be wrong", lambda: not found_by_doctor_at_last(operator), 90, 2.0)


def found_by_doctor_at_last(operator):
    done = operator.rota("platform", "doctor", "-f", str(operator.file), "-o", "json", check=False)
    return [one for one in json.loads(done.stdout) if one["severity"] == "error"]


def test_their_data_is_not_ours_to_back_up(operator):
    said = operator.ops("backup", str(operator.folder / "no.rota"), code=3)
    assert "a server of yours" in said

"""A platform's second day on real machines over SSH, from `init` to a restore elsewhere.

The tests go on from each other in the order of the file, as an operator's days do.
"""

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from secrets import token_hex

import pytest

from tests.checker.check import check
from tests.day2.accounts import Steady
from tests.day2.faults import ALONE, FAULTS, seeded
from tests.day2.operator import PASSPHRASE, Operator
from tests.e2e.court import following
from tests.e2e.platform import REPOSITORY, wait_for
from tests.e2e.schedules import IMAGE, once, soon

BROKEN = """\
FROM rota/services:dev
USER 0
RUN printf 'import time\\ntime.sleep(10**6)\\n' > /opt/rota/src/{service}/__main__.py
USER rota
"""


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    for script in ("ensure-docker.sh", "ensure-lxcfs.sh"):
        subprocess.run(["bash", str(REPOSITORY / "scripts" / script)], check=True)
    subprocess.run([sys.executable, "-m", "images.build"], cwd=REPOSITORY, check=True)
    kept = os.environ.get("ROTA_DAY2_KEEP")  # for whoever works on these tests: FOLDER:TAG
    folder, tag = kept.split(":") if kept else (tmp_path_factory.mktemp("day2"), "")
    one = Operator("day2", Path(folder), tag=tag or token_hex(3))
    try:
        for name in ("m1", "m2"):
            one.make_machine(name)
        yield one
    finally:
        if not kept:
            one.close()


def init_arguments(operator, *names):
    targets = [f"deploy@{operator.address(name)}" for name in names]
    return ["platform", "init", *targets, "--name", "day2", "--key", str(operator.folder / "key"),
            "--encrypt", "-f", str(operator.file)]


def built(dockerfile, tag):
    subprocess.run(["docker", "build", "-q", "-t", tag, "-"], input=dockerfile.encode(), check=True,
                   capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    return tag


def test_init_trusts_no_machine_by_itself(operator):
    done = operator.rota(*init_arguments(operator, "m1", "m2"), check=False)
    assert done.returncode == 5, done.stderr
    assert operator.fingerprint("m1") in done.stderr
    assert "ssh-keygen -lf" in done.stderr
    assert "--accept-fingerprint" in done.stderr
    assert not operator.file.exists()
    code, screen = operator.typed(init_arguments(operator, "m1", "m2"), [(r"\[y/N\]", "no")])
    assert code == 5
    assert "nothing was written" in screen
    assert not operator.file.exists()
    logins = operator.on_machine("m1", "journalctl", "-u", "ssh", "--no-pager")
    assert "Accepted" not in logins
    assert "Failed" not in logins


def test_from_bare_machines_to_a_platform_without_a_manual(operator):
    code, screen = operator.typed(init_arguments(operator, "m1", "m2"),
                                  [(r"\[y/N\]", "y"), (r"\[y/N\]", "y")])
    assert code == 0, screen
    assert "next: rota platform up" in screen
    operator.file.write_text(operator.file.read_text() + f"""
images: {{apps: ["{IMAGE}"]}}
services: {{kafka: {{on: [m1]}}, mysql: {{on: [m1]}}}}
""")
    plan = operator.folder / "first.plan"
    operator.ops("plan", "-o", str(plan))
    said = operator.ops("up", "--plan", str(plan), "--json")
    assert "password: " in said
    keep_for_screens(operator, said)
    operator.assert_well()
    assert {machine for machine, _ in operator.services()} == {"m1", "m2"}


def keep_for_screens(operator, said):
    """Leave what `python -m scripts.terminal_screens` draws the documents' screens from."""
    if folder := os.environ.get("ROTA_SCREENS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, "up.jsonl").write_text(said)
        status = operator.rota("platform", "status", "-f", str(operator.file), "-o", "json")
        Path(folder, "status.json").write_text(status.stdout)


def found_by_doctor(operator, code):
    done = operator.rota("platform", "doctor", "-f", str(operator.file), "-o", "json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return {(one["code"], one["machine"]) for one in json.loads(done.stdout)}


def test_the_doctor_names_each_of_twenty_faults_and_invents_none(operator):
    healthy = found_by_doctor(operator, 0)
    wanted = {(fault.code, fault.machine) for fault in FAULTS}
    with seeded(operator, FAULTS):
        found = found_by_doctor(operator, 1)
        assert wanted - found == set()
        by_consequence = {code for code, _ in found - wanted - healthy}
        assert by_consequence <= {"S402", "S403", "S404", "S406"}, found - wanted - healthy
    operator.ops("up")
    for fault in ALONE:
        with seeded(operator, (fault,)):
            assert (fault.code, fault.machine) in found_by_doctor(operator, 1)
    assert len({fault.code for fault in (*FAULTS, *ALONE)}) >= 20
    wait_for("the doctor to find it well again",
             lambda: not found_by_doctor_errors(operator), 60, 2.0)


def found_by_doctor_errors(operator):
    done = operator.rota("platform", "doctor", "-f", str(operator.file), "-o", "json", check=False)
    return [one["code"] for one in json.loads(done.stdout) if one["severity"] == "error"]


def test_a_saved_plan_is_refused_when_the_machines_are_no_longer_so(operator):
    home, container = operator.service_home("load_balancer")
    plan = operator.folder / "second.plan"
    operator.ops("plan", "-o", str(plan))
    operator.on_machine(home, "docker", "stop", container)
    said = operator.ops("up", "--plan", str(plan), code=5)
    assert f"{home}: container load_balancer changed" in said
    other = "m1" if home == "m2" else "m2"
    assert "nothing to change" in operator.ops("up", "--limit", other)
    lines = operator.ops("up", "--limit", home, "--json").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert [e["step"] for e in events if e["event"] == "finished" and "health" not in e["step"]] == [
        f"load_balancer@{home}"]
    assert events[-1]["event"] == "result"
    operator.assert_well()


def test_the_secret_store_is_encrypted_and_opens_with_its_passphrase_only(operator):
    content = (operator.folder / "secrets.enc").read_text()
    assert "kafka" not in content
    assert "PRIVATE KEY" not in content
    file = operator.folder / "passphrase"
    file.write_text("another passphrase")
    try:
        assert "the passphrase is not" in operator.ops("plan", code=3)
    finally:
        file.write_text(PASSPHRASE)


def mysql_says(operator, password):
    """Try to log in as the scheduler's user; return what MySQL says."""
    home, container = operator.service_home("mysql")
    return operator.on_machine(
        home, "docker", "exec", container, "bash", "-c",
        f"mysql --defaults-extra-file=<(printf '[client]\\npassword={password}\\n') --ssl-mode=REQUIRED"
        f" -u rota_scheduler -h {operator.address(home)} -N -e 'SELECT 1' 2>&1 || true").strip()


def scheduler_password(operator):
    home, _ = operator.service_home("scheduler")
    return operator.on_machine(home, "cat", "/etc/rota/secrets/scheduler/mysql_password").strip()


def test_rotated_secrets_are_in_use_and_the_old_ones_are_refused(operator):
    old = scheduler_password(operator)
    assert mysql_says(operator, old) == "1"
    before = operator.services()
    assert "secrets are new" in operator.ops("secrets", "rotate", "--yes")
    operator.assert_well()
    new = scheduler_password(operator)
    assert new != old
    assert "Access denied" in mysql_says(operator, old)
    assert mysql_says(operator, new) == "1"
    assert before.keys() == operator.services().keys()
    operator.apply(once("after-rotation", soon(3), ["run", "1"]))
    wait_for("a job of the rotated platform", lambda: [
        job for job in operator.jobs("after-rotation") if job["state"] == "SUCCEEDED"])


def images_of(operator):
    return {key: row["image"] for key, row in operator.services().items()
            if key[1] not in {"kafka", "mysql"}}


def test_an_image_that_never_gets_ready_goes_back_and_stops_the_upgrade(operator):
    """The client of the first machine cannot start: it goes back, the second machine is not touched."""
    before = operator.services()
    image = built(BROKEN.format(service="node_manager/client"), "rota-day2-test:broken")
    said = operator.ops("upgrade", "--image", image, "--yes", code=8)
    assert "what ran before is back" in said
    after = operator.services()
    assert after["m1", "client"]["image"] == before["m1", "client"]["image"]
    assert {key for key in after if after[key]["image"] != before[key]["image"]} == {
        key for key in after if key[0] == "m1" and key[1] not in {"client", "kafka", "mysql"}}
    wait_for("the old client", lambda: all(
        row["health"] in {"ready", "healthy"} for row in operator.services().values()))
    operator.ops("up")
    operator.assert_well()
    assert images_of(operator) == {
        key: row["image"] for key, row in before.items() if key[1] not in {"kafka", "mysql"}}


def test_upgrade_while_jobs_run_and_rollback_to_a_numbered_revision(operator, tmp_path):
    before = images_of(operator)
    first = json.loads(operator.rota(
        "platform", "revisions", "-f", str(operator.file), "-o", "json").stdout)[-1]["number"]
    image = built("FROM rota/services:dev\nLABEL day2=next\n", "rota-day2-test:next")
    with following(operator, tmp_path, ("m1", "m2")) as court:
        steady = Steady(operator, "during-upgrade", 30)
        steady.wait_until_running()
        operator.ops("upgrade", "--image", image, "--yes")
        upgraded = images_of(operator)
        assert all(upgraded[key] != before[key] for key in before)
        assert len(set(upgraded.values())) == 1
        operator.ops("rollback", "--to", str(first), "--yes")
        assert images_of(operator) == before
        steady.wait_until_ended()
        assert check(steady.history(court)) == []
    operator.assert_well()


def served_serial(operator, service, port):
    home, _ = operator.service_home(service)
    if service == "kafka":
        return ssl.get_server_certificate((operator.address(home), port))
    return operator.on_machine(home, "sha256sum", f"/etc/rota/secrets/{service}/tls_cert.pem")


def test_renewed_certificates_are_served_and_the_old_ones_are_not(operator):
    assert "no certificate ends within" in operator.ops("certs", "renew", "--yes")
    old = {"kafka": served_serial(operator, "kafka", 9092),
           "mysql": served_serial(operator, "mysql", 3306)}
    operator.ops("certs", "renew", "--all", "--yes")
    assert served_serial(operator, "kafka", 9092) != old["kafka"]
    assert served_serial(operator, "mysql", 3306) != old["mysql"]
    operator.assert_well()


def test_machines_come_and_go_while_jobs_are_due_and_run(operator, tmp_path):
    operator.make_machine("m3")
    with following(operator, tmp_path, ("m1", "m2")) as court:
        steady = Steady(operator, "come-and-go", 50)
        steady.wait_until_running()
        operator.ops("machine", "add", f"deploy@{operator.address('m3')}", "--yes",
                     "--accept-fingerprint", operator.fingerprint("m3"))
        court.join("m3")
        leaver = next(m for m in ("m1", "m2") if (m, "mysql") not in operator.services()
                      and (m, "kafka") not in operator.services())
        stayer = "m1" if leaver == "m2" else "m2"
        assert "data of" in operator.ops("machine", "remove", stayer, "--yes", code=7)
        operator.ops("machine", "remove", leaver, "--yes")
        assert steady.is_still_due(), "the machine left before the last job was due"
        steady.wait_until_ended()
        history = steady.history(court)
    assert check(history) == []
    assert {run.node for run in history.docker} >= {"m3"}, "the new machine got jobs"
    operator.assert_well()


def test_a_dead_machine_is_removed_without_talking_to_it(operator):
    assert "was there" in operator.ops("machine", "remove", "m1", "--dead", "--yes", code=7)
    operator.destroy_machine("m3")
    assert "m3" in operator.ops("up", code=7)
    assert "no other machine answers" in operator.ops(
        "machine", "remove", "m1", "--dead", "--yes", code=7)
    operator.ops("machine", "remove", "m3", "--dead", "--yes")
    operator.assert_well()
    assert {machine for machine, _ in operator.services()} == {"m1"}


def test_backup_and_restore_on_other_machines_with_other_addresses(operator):
    archive = operator.folder / "monday.rota"
    instance = "after-rotation"
    jobs = {job["job_id"] for job in operator.jobs(instance)}
    assert jobs
    operator.ops("backup", str(archive))
    assert archive.stat().st_mode & 0o777 == 0o600
    assert b"rota_scheduler" not in archive.read_bytes()
    fresh = {old: new for old, new in (("m1", "n1"), ("m2", "n2"))
             if f"- name: {old}\n" in operator.file.read_text()}
    addresses = {old: (operator.address(old), operator.make_machine(new))
                 for old, new in fresh.items()}
    keys = {old: (operator.fingerprint(old), operator.fingerprint(new))
            for old, new in fresh.items()}
    code, screen = operator.typed(
        ["platform", "destroy", "--data", "-f", str(operator.file)], [("Type day2", "day3")])
    assert code == 5, screen
    code, screen = operator.typed(
        ["platform", "destroy", "--data", "-f", str(operator.file)], [("Type day2", "day2")])
    assert code == 0, screen
    assert not (operator.folder / "secrets.enc").exists()
    for old in fresh:
        operator.destroy_machine(old)
    operator.file.unlink()
    assert "was not there" in operator.ops("restore", str(archive), code=3)
    restored = operator.file.read_text()
    for before, after in (*addresses.values(), *keys.values()):
        assert before in restored
        assert before != after
        restored = restored.replace(before, after)
    operator.file.write_text(restored)
    operator.ops("restore", str(archive), "--yes")
    assert {job["job_id"] for job in operator.jobs(instance)} == jobs
    assert instance in operator.rota("schedule", "list").stdout
    operator.apply(once("after-restore", soon(3), ["run", "1"]))
    wait_for("a job of the restored platform", lambda: [
        job for job in operator.jobs("after-restore") if job["state"] == "SUCCEEDED"])
    operator.ops("plan", "--detailed-exitcode")
    assert "holds data already" in operator.ops(
        "restore", str(other_archive(operator, archive)), "--yes", code=8)


def other_archive(operator, archive):
    """Make a second backup: another one must not be poured over living data."""
    second = Path(f"{archive}2")
    operator.ops("backup", str(second))
    return second


def test_the_audit_tells_who_did_what_and_how_it_ended(operator):
    rows = json.loads(operator.rota(
        "platform", "audit", "-f", str(operator.file), "-o", "json", "--last", "500").stdout)
    told = [(row["command"], row["outcome"]) for row in rows if row["machine"] == "(here)"]
    for command in ("up", "secrets rotate", "upgrade", "rollback", "certs renew", "machine add",
                    "backup", "destroy --data", "restore"):
        assert (command, "done") in told, command
    assert any(command == "upgrade" and outcome.startswith("failed") for command, outcome in told)
    assert {row["machine"] for row in rows} == {"(here)", "m1"}, "the others have left"
    assert all("@" in row["who"] for row in rows)

"""`rota platform` on one real machine over SSH: from bare to running, back, and what forbids it.

The tests go on from each other in the order of the file, as an operator's day does: making the
platform takes most of a minute, so it is made once.
"""

import json
import os
import secrets as random_names
import subprocess
import sys

import pytest

from images.machine_run import MachineRun
from platform_initializer.machines.docker import fingerprint_of
from tests.integration.test_machine_integration import Machine, machine_run_args, output
from tests.support import servers

pytestmark = pytest.mark.patient

SCHEDULE = """\
version: 1
instances:
  - {id: kept-by-the-backup, app: "rota/demo-app:dev", schedule: {start: "2040-01-01T00:00:00Z"}}
"""
OTHER_KEY = "SHA256:" + "A" * 43


class Operator:
    """One operator with a folder of their own; runs the command as a person would."""

    def __init__(self, folder, machine):
        self.folder, self.machine = folder, machine
        key = (folder / machine.name).read_text().split(" ", 1)[1]
        self.host_key = fingerprint_of(key)
        self.write()

    def write(self, host_key=None, publish=8443):
        (self.folder / "platform.yml").write_text(f"""\
version: 1
platform: day
ssh: {{user: deploy, keys: [./key]}}
machines:
  - {{name: m1, address: {self.machine.address}, host_key: "{host_key or self.host_key}"}}
services: {{application_manager: {{publish: {publish}}}}}
""")

    def rota(self, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "cli", "platform", *arguments,
             "-f", str(self.folder / "platform.yml")],
            cwd=servers.REPOSITORY, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": "", "NO_COLOR": "1"},
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def command(self, *arguments, stdin=None):
        """Run another group's command against the platform; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments], cwd=servers.REPOSITORY, capture_output=True,
            text=True, timeout=60, check=False, input=stdin,
            env={**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": "", "NO_COLOR": "1"},
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def killed_after_a_step(self):
        """Run `up` and kill it when its first step is done; False when there was none to kill."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "platform", "up", "-f",
             str(self.folder / "platform.yml")],
            cwd=servers.REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            env={**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": "", "NO_COLOR": "1"},
        )
        with process:
            for line in process.stderr:
                if "done in" in line:
                    process.kill()
                    return True
        assert process.returncode == 0
        return False

    def containers(self):
        """Return {service: (state, id)} as the machine's own Docker has it."""
        lines = self.machine.run(
            "sudo docker ps -a --no-trunc --filter label=io.rota.service"
            " --format '{{.Label \"io.rota.service\"}} {{.State}} {{.ID}}'").splitlines()
        return {line.split()[0]: tuple(line.split()[1:]) for line in lines}


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operator")
    for image in ("machine", "kafka", "mysql", "services"):
        servers.ensure_image(image)
    output("bash", str(servers.REPOSITORY / "scripts/ensure-lxcfs.sh"))
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
    key = (folder / "key.pub").read_text().strip()
    name = f"rota-test-machine-{random_names.token_hex(3)}"
    try:
        output(*machine_run_args(MachineRun(name=name, authorized_key=key, memory="4g")))
        machine = Machine(name, folder)
        machine.pin()
        yield Operator(folder, machine)
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def test_a_machine_with_another_host_key_is_sent_nothing(operator):
    operator.write(host_key=OTHER_KEY)
    try:
        told = operator.rota("up", code=7).stderr
    finally:
        operator.write()
    assert operator.host_key in told
    assert "nothing was sent" in told
    assert "ssh-keygen -lf" in told
    logins = output("docker", "exec", operator.machine.name, "journalctl", "-u", "ssh", "--no-pager")
    assert "Accepted publickey" not in logins
    assert "Failed" not in logins, "not even a login was tried"


def test_a_machine_without_sudo_is_named_with_reason_and_fix(operator):
    root = ("docker", "exec", operator.machine.name)
    output(*root, "mv", "/etc/sudoers.d/deploy", "/root/deploy")
    try:
        told = operator.rota("up", code=7).stderr
    finally:
        output(*root, "mv", "/root/deploy", "/etc/sudoers.d/deploy")
    assert "m1" in told
    assert "may not use sudo without a password" in told
    assert "sudoers.d" in told


def test_a_bare_machine_becomes_a_platform(operator):
    up = operator.rota("up")
    assert "password: " in up.stdout
    states = {service: state for service, (state, _) in operator.containers().items()}
    assert states == dict.fromkeys(
        ("kafka", "mysql", "scheduler", "deployment_manager", "load_balancer", "node_manager",
         "application_manager", "client"), "running")
    status = json.loads(operator.rota("status", "-o", "json").stdout)
    assert {one["health"] for one in status["services"]} == {"ready", "healthy"}
    assert status["kafka"] == f"{operator.machine.address}:9092"


def test_killed_at_each_step_it_goes_on_and_ends_the_same(operator):
    """kill -9 the tool as soon as anything was done, again and again, until nothing is left."""
    operator.rota("down", "--destroy", "--yes")
    kills = 0
    while operator.killed_after_a_step():
        kills += 1
        assert kills < 40, "it does not get on"
    assert kills >= 5
    operator.rota("up")
    operator.rota("plan", "--detailed-exitcode")
    assert {state for state, _ in operator.containers().values()} == {"running"}
    assert len(operator.containers()) == 8


def test_nothing_listens_beyond_the_machines_own_address(operator):
    lines = operator.machine.run("sudo ss -Hltn").splitlines()
    addresses = {line.split()[3].rsplit(":", 1)[0].replace("[::ffff:", "").rstrip("]")
                 for line in lines if not line.split()[3].endswith(":22")}
    assert addresses <= {operator.machine.address, "127.0.0.1"}


def test_secrets_are_for_their_readers_alone_and_nowhere_else(operator):
    listed = operator.machine.run("sudo find /etc/rota/secrets -type f -printf '%m %U %p\\n'")
    assert listed
    owners = {"kafka": "10002", "mysql": "10003", "client": "0"}
    for line in listed.splitlines():
        mode, owner, path = line.split()
        assert (mode, owner) == ("400", owners.get(path.split("/")[4], "10001")), path
    kept = json.loads((operator.folder / "secrets.json").read_text())
    values = [v for k, v in kept.items() if k not in ("kafka_cluster_id", "admin_password_shown")]
    seen = operator.machine.run(
        "sudo docker inspect $(sudo docker ps -aq); ps -eo args; sudo journalctl --no-pager;"
        " for c in $(sudo docker ps -aq); do sudo docker logs $c 2>&1; done")
    assert [value[:6] for value in values if value in seen] == []
    assert (operator.folder / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_nothing_and_restarts_nothing(operator):
    before = operator.containers()
    assert "nothing to change" in operator.rota("up").stderr
    assert "password" not in operator.rota("plan", "--detailed-exitcode").stdout
    assert operator.containers() == before


def test_what_drifted_is_planned_exactly_and_mended(operator):
    before = operator.containers()
    operator.machine.run("sudo docker rm -f rota-load-balancer; sudo docker stop rota-client;"
                         " echo x | sudo tee /etc/rota/platform.json")
    operator.write(publish=8444)
    planned = operator.rota("plan", "-o", "json", "--detailed-exitcode", code=20).stdout
    assert sorted(step["action"] for step in json.loads(planned)) == [
        "replace application_manager", "replace client", "start load_balancer", "write files"]
    operator.rota("up")
    operator.rota("plan", "--detailed-exitcode")
    after = operator.containers()
    changed = {service for service in after if after[service] != before[service]}
    assert changed == {"load_balancer", "client", "application_manager"}


def test_the_doctor_invents_nothing_and_names_what_was_broken(operator):
    found = json.loads(operator.rota("doctor", "-o", "json").stdout)
    assert [one for one in found if one["severity"] == "error"] == []
    operator.machine.run("sudo docker stop rota-scheduler; sudo chmod 644"
                         " /etc/rota/secrets/client/client_token")
    found = json.loads(operator.rota("doctor", "-o", "json", code=1).stdout)
    assert {one["code"] for one in found if one["severity"] == "error"} == {"S402", "F501"}
    operator.rota("up")
    operator.rota("doctor")


def test_logs_of_a_service_are_in_the_order_of_time(operator):
    lines = operator.rota("logs", "scheduler", "--tail", "5").stdout.splitlines()
    assert 1 <= len(lines) <= 5
    assert lines == sorted(lines)
    assert all(line.split()[1] == "m1" for line in lines)
    assert "runs on no machine" in operator.rota("logs", "schedule", code=4).stderr


def test_a_service_that_does_not_get_ready_goes_back_by_itself(operator):
    """The port of the page is taken, so the new one cannot start; the old one must run again."""
    before = operator.containers()
    operator.machine.run(f"sudo docker run -d --rm --name squatter --network host --entrypoint python3"
                         f" rota/services:dev -m http.server 9444 --bind {operator.machine.address}")
    operator.write(publish=9444)
    try:
        told = operator.rota("up", code=8).stderr
    finally:
        operator.machine.run("sudo docker rm -f squatter")
        operator.write(publish=8444)
    assert "what ran before is back" in told
    assert operator.containers() == before
    operator.rota("up")
    assert operator.containers() == before


def test_two_at_once_do_not_undo_each_other(operator):
    holder = subprocess.Popen(
        ["docker", "exec", "-i", operator.machine.name, "sh", "-c",
         "exec 9> /run/rota.lock; flock 9; echo held; cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        assert "holds /run/rota.lock" in operator.rota("up", code=5).stderr
    finally:
        holder.communicate()
    operator.rota("up")


def guards_of(operator):
    """Tell what there is of watchdog and firewall: units, files, rules."""
    return operator.machine.run(
        "sudo sh -c 'systemctl list-unit-files \"rota-*\" --no-legend; iptables-save | grep ROTA;"
        " ls /usr/local/lib/rota/*g*.sh /usr/lib/tmpfiles.d/rota.conf 2> /dev/null' || true")


def test_down_keeps_the_data_and_up_brings_it_back(operator):
    operator.rota("down", "--yes")
    assert operator.containers() == {}
    assert guards_of(operator) == ""
    again = operator.rota("up")
    assert "password: " not in again.stdout, "it was shown once"
    assert len(operator.containers()) == 8


def test_a_saved_plan_is_refused_when_the_machine_is_no_longer_so(operator):
    plan = operator.folder / "monday.plan"
    operator.rota("plan", "-o", str(plan))
    assert "nothing to change" in operator.rota("up", "--plan", str(plan)).stderr
    operator.machine.run("sudo docker stop rota-load-balancer")
    assert "m1: container load_balancer changed" in operator.rota(
        "up", "--plan", str(plan), code=5).stderr
    operator.rota("up")


def test_down_with_destroy_leaves_nothing_of_ours(operator):
    archive = operator.folder / "monday.rota"
    operator.command("schedule", "apply", "-", "--yes", stdin=SCHEDULE)
    operator.rota("backup", str(archive))
    assert archive.stat().st_mode & 0o777 == 0o600
    operator.rota("down", "--destroy", "--yes")
    left = operator.machine.run(
        "sudo docker ps -aq; sudo docker volume ls -q; ls -d /etc/rota /var/lib/rota* 2>/dev/null;"
        " getent passwd rota-sampler || true")
    assert left == ""
    assert guards_of(operator) == ""
    assert not (operator.folder / "secrets.json").exists()


def test_a_backup_brings_data_and_secrets_back_and_overwrites_none(operator):
    archive = operator.folder / "monday.rota"
    restored = operator.rota("restore", str(archive), "--yes")
    assert "password: " not in restored.stdout, "it was shown at the first `up`"
    assert len(operator.containers()) == 8
    assert "kept-by-the-backup" in operator.command("schedule", "list")
    other = operator.folder / "tuesday.rota"
    operator.rota("backup", str(other))
    assert "holds data already" in operator.rota("restore", str(other), "--yes", code=8).stderr
    told = operator.rota("audit", "-o", "json").stdout
    assert {row["command"] for row in json.loads(told)} >= {"up", "backup", "restore"}


def test_a_machine_that_is_not_there_is_named(operator, tmp_path):
    file = tmp_path / "platform.yml"
    file.write_text((operator.folder / "platform.yml").read_text().replace(
        operator.machine.address, "127.0.0.1, ssh: {port: 1}").replace("./key", str(operator.folder / "key")))
    (operator.folder / "platform.yml").write_text(file.read_text())
    told = operator.rota("up", code=7).stderr
    operator.write()
    assert "m1" in told
    assert "see that it is up" in told

"""A real virtual machine under the qemu driver: booted, made a node, given a job, destroyed.

Without a working KVM it is emulated, so this takes minutes: `make test-vm`, not in `make test`.
"""

import subprocess
from secrets import token_hex

import pytest

from platform_initializer.machines.qemu import is_kvm_working
from tests.day2.operator import Operator
from tests.e2e.platform import REPOSITORY, wait_for
from tests.e2e.schedules import once, soon

BASE = REPOSITORY / ".build" / "vm"
SERVICES = ("kafka", "mysql", "scheduler", "deployment_manager", "load_balancer", "node_manager",
            "application_manager")  # fmt: skip


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    subprocess.run(["bash", str(REPOSITORY / "images" / "vm" / "build.sh"), str(BASE)], check=True)
    one = Operator("vm", tmp_path_factory.mktemp("vm"), tag=token_hex(3))
    one.make_machine("m1")
    on_m1 = "".join(f"  {service}: {{on: [m1]}}\n" for service in SERVICES)
    one.file.write_text(f"""\
version: 1
platform: vm
ssh: {{user: deploy, keys: [./key], connect_timeout: 120s}}
machines:
  - {{name: m1, address: "{one.address("m1")}", host_key: "{one.fingerprint("m1")}"}}
provision:
  driver: qemu
  base: {BASE}
  pools: [{{name: w, count: 1, cpus: 2, memory: 2GiB, labels: {{kind: virtual}}}}]
services:
{on_m1}images: {{apps: ["rota/demo-app:dev"]}}
""")
    yield one
    one.rota("platform", "down", "--destroy", "--yes", "-f", str(one.file), check=False, timeout=300)
    one.close()


def ended(operator):
    return next((job for job in operator.jobs("in-a-machine") if job["ended_at"]), None)


@pytest.mark.timeout(2400)
def test_a_virtual_machine_becomes_a_node_and_runs_a_job(operator):
    said = operator.ops("up", timeout=1500)
    assert "making machine w1" in said
    assert is_kvm_working() or "it is emulated" in said
    assert operator.ops("up", timeout=600).count("making machine") == 0, "it is adopted"

    operator.apply(once("in-a-machine", soon(30), ["run", "3"], start_deadline="5m",
                        node="{labels: {kind: virtual}}"))  # fmt: skip
    job = wait_for("a job that ended", lambda: ended(operator), timeout_s=240.0)
    assert (job["state"], job["node"]) == ("SUCCEEDED", "w1")

    destroyed = operator.rota("platform", "down", "--destroy", "--yes", "-f", str(operator.file),
                              timeout=300)  # fmt: skip
    assert destroyed.returncode == 0
    assert subprocess.run(["pgrep", "-f", "rota-vm-w1"], check=False).returncode == 1
    assert not list(operator.folder.glob("machines-vm/*"))

"""The sampler on a real sshd, beside peers that are dead, slow or hostile: none delays the good one."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.ssh import SshTarget
from common.ssh.paramiko_door import ParamikoDoor
from load_balancer.domain.probe import SAMPLER_SCRIPT
from load_balancer.sampler import MachineSampler, SshProbe
from tests.contract.sshd import sshd
from tests.support import hostile
from tests.support.servers import REPOSITORY

HOSTILE = {
    "accepts, then silent": hostile.be_silent,
    "a byte a second": hostile.say_a_byte_a_second,
    "banner flood": hostile.flood_with_banners,
    "endless line": hostile.flood_without_an_end,
    "greets, then silent": hostile.greet_then_be_silent,
    "greets, then nonsense": hostile.greet_then_say_nonsense,
}


def forced(script: Path, *options: str):
    return sshd(f"ForceCommand sh {script}", *options)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "sampler"
    path.write_text(SAMPLER_SCRIPT)
    return path


def target_to(server, name="good", **fields):
    return SshTarget(**({"name": name, "host": "127.0.0.1", "user": server.user, "port": server.port,
                         "host_key": server.fingerprint(), "key_files": (server.key(),)} | fields))


class Sampled:
    """Samplers side by side, and what they reported."""

    def __init__(self, targets):
        self.samples = {target.name: [] for target in targets}
        self.changed = threading.Condition()
        self.samplers = {
            target.name: MachineSampler(target.name, SshProbe(ParamikoDoor(), target), SystemClock(),
                                        self._report)
            for target in targets
        }

    def _report(self, name, sample):
        with self.changed:
            self.samples[name].append(sample)
            self.changed.notify_all()

    def sweep(self, name, timeout_s):
        """Ask all, wait for one; return the seconds it took."""
        began = time.monotonic()
        count = len(self.samples[name])
        for sampler in self.samplers.values():
            sampler.ask()
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.samples[name]) > count, timeout_s), name
        return time.monotonic() - began

    def stop(self):
        for sampler in self.samplers.values():
            sampler.stop()


@pytest.mark.parametrize("options", [(), ("MaxSessions 1",)])
def test_a_real_machine_is_sampled_over_one_kept_connection(script, options):
    with forced(script, *options) as server:
        sampled = Sampled([target_to(server)])
        for _ in range(4):
            sampled.sweep("good", 5)
            time.sleep(0.1)  # the kernel's counters tick every 10 ms
        sampled.stop()
        last = sampled.samples["good"][-1]
        assert last.error is None
        assert 0 <= last.cpu <= 1
        assert 0 < last.ram < 1
        assert (server.folder / "log").read_text().count("Accepted publickey") == 1


def test_a_machine_that_answers_once_per_login_is_asked_by_exec(tmp_path):
    once = tmp_path / "once"
    once.write_text("#!/bin/sh\nhead -n 1 /proc/stat\nhead -n 3 /proc/meminfo\n")
    with forced(once) as server:
        sampled = Sampled([target_to(server)])
        for _ in range(3):
            sampled.sweep("good", 5)
            time.sleep(0.1)
        sampled.stop()
        assert sampled.samples["good"][-1].error is None
        assert (server.folder / "log").read_text().count("Accepted publickey") == 1


def test_bad_machines_delay_nobody_and_are_told_as_such(script):
    with ExitStack() as stack:
        server = stack.enter_context(forced(script))
        targets = [target_to(server, name, port=stack.enter_context(hostile.peer_that(serve)))
                   for name, serve in HOSTILE.items()]
        targets.append(target_to(server, "black hole", port=stack.enter_context(hostile.black_hole())))
        targets.append(target_to(server, "changed key", host_key="SHA256:" + "A" * 43))
        sampled = Sampled([target_to(server), *targets])
        sampled.sweep("good", 5)
        took = []
        for _ in range(6):
            time.sleep(1)
            took.append(sampled.sweep("good", 5))
        with sampled.changed:
            sampled.changed.wait_for(lambda: all(sampled.samples.values()), 5)
        sampled.stop()
    assert max(took) < 1, took
    for target in targets:
        assert [one.error for one in sampled.samples[target.name] if one.error], target.name
    assert "nothing was sent" in sampled.samples["changed key"][0].error


def test_an_endless_banner_costs_little_memory(script, tmp_path):
    """A peer that sends as fast as it can, without ever ending its line."""
    code = (
        "import sys\n"
        "from common.ssh import SshTarget, SshUnreachableError\n"
        "from common.ssh.paramiko_door import ParamikoDoor\n"
        "target = SshTarget('m', '127.0.0.1', 'u', 'SHA256:x', int(sys.argv[1]), ())\n"
        "try:\n    ParamikoDoor().connect(target, 3.0)\n"
        "except SshUnreachableError: pass\n"
        "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024)\n"
    )
    with hostile.peer_that(hostile.flood_without_an_end) as port:
        done = subprocess.run([sys.executable, "-c", code, str(port)], cwd=REPOSITORY,
                              capture_output=True, text=True, check=True, timeout=30)
    assert int(done.stdout) < 150, f"{done.stdout} MB"


def test_a_machine_that_comes_back_is_sampled_again(script):
    with forced(script) as server:
        sampled = Sampled([target_to(server)])
        sampled.sweep("good", 5)
        for connection in children_of(server.process.pid):
            os.kill(connection, signal.SIGKILL)
        sampled.sweep("good", 5)
        assert sampled.samples["good"][-1].error
        for _ in range(2):
            sampled.sweep("good", 10)
            time.sleep(0.1)
        sampled.stop()
        assert "two" in str(sampled.samples["good"][2].error)


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

"""b8: bringing a platform up on N bare machines that answer SSH, and bringing it up again.

- ours: `up` on bare machines, until every service is ready and a second plan is empty;
- limit: the longest chain of steps that wait for each other, each as long as it took alone, in an
  `up` of its own that takes one step after the other;
- no_op_s: the whole command `rota platform up` where nothing is to be changed, and ansible_no_op_s
  the whole command `ansible-playbook` with the same steps on the same machines, in turn.

The machines are containers of this host and share its processors: N machines have no more of
them than one. So `processor_bound_s` is told beside the limit: the processor time that the machines
and the tool used in that `up`, divided among the processors; no order of steps takes less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.playbook import REPOSITORY, Playbook
from benchmarks.processors import seconds_of_container, seconds_of_process
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.document import parse_description
from platform_initializer.domain.description import Description, Pool
from platform_initializer.domain.steps import Step
from platform_initializer.errors import Failure
from platform_initializer.gather import reach
from platform_initializer.local_images import OURS, find_images
from platform_initializer.machines import Machine
from platform_initializer.machines.docker import DockerMaker, container_name
from platform_initializer.machines.fleet import Fleet
from platform_initializer.machines.pooled import PooledMachines
from platform_initializer.secret_store import SecretStore
from platform_initializer.up import up, world_of

PLATFORM = "bench"
HEAD = """\
version: 1
platform: bench
ssh: {user: deploy, keys: [./key]}
secrets: {store: ./secrets.json}
machines:
"""
MACHINE = '  - {{name: {0.name}, address: "{0.address}", host_key: "{0.host_key}"}}\n'
NO_OPS = 5
ANSIBLE_NO_OPS = 3  # it takes long, and is compared by a factor of ten


class Stopwatch:
    """A progress that only measures. Called from many threads."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None: ...

    def planned(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)

    def started(self, step: Step) -> None: ...

    def finished(self, step: Step, seconds: float) -> None:
        self.seconds[step.key] = seconds

    def failed(self, step: Step, failure: Failure) -> None: ...

    def skipped(self, step: Step) -> None: ...

    def critical_path(self) -> tuple[float, list[str]]:
        """Return the longest chain of steps: its seconds and its keys."""
        ends: dict[str, tuple[float, list[str]]] = {}
        waiting = {step.key: step for step in self.steps}
        while waiting:
            ready = [step for step in waiting.values() if not step.after & waiting.keys()]
            for step in ready:
                before = max((ends[key] for key in step.after if key in ends), default=(0.0, []))
                ends[step.key] = (before[0] + self.seconds[step.key], [*before[1], step.key])
                del waiting[step.key]
        return max(ends.values())


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Bring a platform of `size` machines up `runs` times; what follows is done once."""
    del seconds
    fresh: list[dict[str, float]] = []
    for number in range(runs):
        with _machines(size) as description:
            fresh.append(_fresh(description))
            again = _again(description) if number == runs - 1 else {}
    with _machines(size) as description:
        path_s, path, in_turn_s = _alone(description)
    took = sorted(one["seconds"] for one in fresh)
    ours, bound = statistics.median(took), statistics.median(one["bound_s"] for one in fresh)
    return {
        "id": "b8", "size": size, "unit": "s", "ours": round(ours, 1), "limit": round(path_s, 1),
        "ratio_to_limit": round(ours / path_s, 2), "spread": round(took[-1] - took[0], 1),
        "processor_bound_s": round(bound, 1), "ratio_to_bound": round(ours / max(path_s, bound), 2),
        "one_by_one_s": round(in_turn_s, 1), "critical_path": path, **again,
    }  # fmt: skip


@contextmanager
def _machines(size: int) -> Iterator[Description]:
    """Make bare machines, as an operator finds them, and the file that names them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        maker = DockerMaker(PLATFORM, key, key.with_suffix(".pub").read_text().strip())
        pool = PooledMachines([Pool("m", size)], maker)
        pool.destroy()
        try:
            made = pool.provide(_tell)
            text = HEAD + "".join(MACHINE.format(machine) for machine in made)
            (folder / "platform.yml").write_text(text)
            yield parse_description(text.encode(), "platform.yml", folder)
        finally:
            pool.destroy()


def _fresh(description: Description) -> dict[str, float]:
    names = description.machine_names()
    used, began = _processor_s(names), time.monotonic()
    up(description, ParamikoDoor(), Stopwatch())
    seconds = time.monotonic() - began
    bound_s = (_processor_s(names) - used) / (os.cpu_count() or 1)
    _tell(f"up on {len(names)} machines: {seconds:.1f} s, of the processors {bound_s:.1f} s")
    return {"seconds": seconds, "bound_s": bound_s}


def _alone(description: Description) -> tuple[float, list[str], float]:
    """Bring a platform up one step at a time; return its critical path, and how long all took."""
    watch, began = Stopwatch(), time.monotonic()
    up(replace(description, parallel=1), ParamikoDoor(), watch)
    path_s, path = watch.critical_path()
    _tell(f"one step at a time: {time.monotonic() - began:.1f} s, critical path {path_s:.1f} s")
    return path_s, path, time.monotonic() - began


def _again(description: Description) -> dict[str, Any]:
    """Time runs that change nothing: ours and Ansible's, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        playbook = _playbook(description, Path(folder))
        playbook.prepare()
        _no_op(description)  # as an installed command, it has its bytecode from now on
        ours, theirs = [], []
        for number in range(NO_OPS):
            ours.append(_timed(lambda: _no_op(description)))
            if number < ANSIBLE_NO_OPS:
                theirs.append(_timed(lambda: _no_op_of(playbook)))
            _tell(f"nothing to change: {ours[-1]:.2f} s; Ansible {theirs[-1]:.2f} s")
    no_op_s, ansible_s = statistics.median(ours), statistics.median(theirs)
    return {
        "no_op_s": round(no_op_s, 2), "no_op_spread": [round(min(ours), 2), round(max(ours), 2)],
        "ansible_no_op_s": round(ansible_s, 2),
        "ansible_spread": [round(min(theirs), 2), round(max(theirs), 2)],
        "ansible_to_ours": round(ansible_s / no_op_s, 1),
    }  # fmt: skip


def _playbook(description: Description, folder: Path) -> Playbook:
    store = SecretStore(description.store)
    images = find_images([*OURS.values(), *description.apps])
    machines: list[Machine] = Fleet(description, store).existing()
    gathered = reach(machines, description, ParamikoDoor(), lock=False)
    try:
        world = world_of(description, machines, gathered, (images, store))
        return Playbook(world, folder, description.folder / "key")
    finally:
        gathered.close()


def _no_op(description: Description) -> None:
    argv = [sys.executable, "-m", "cli", "platform", "up", "-f",
            str(description.folder / "platform.yml")]  # fmt: skip
    env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(argv, cwd=REPOSITORY, env=env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode or "nothing to change" not in done.stderr:  # it is for people, so there
        raise RuntimeError(f"a second run must change nothing: {done.stdout}{done.stderr}")


def _no_op_of(playbook: Playbook) -> None:
    if changed := playbook.run():
        raise RuntimeError(f"the playbook changed {changed} things: it looks for something else")


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _processor_s(machines: Sequence[str]) -> float:
    """Return the processor time of all machines and of this process so far."""
    own = seconds_of_process(os.getpid())
    return own + sum(seconds_of_container(container_name(PLATFORM, name)) for name in machines)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)

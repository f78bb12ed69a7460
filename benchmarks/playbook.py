"""The same platform as an Ansible playbook, for b8: each thing `up` looks at is a task of it.

Only what is there by Ansible's own modules, of ansible-core in a venv of the benchmark's own, with
its settings for speed: pipelining, kept connections, no gathering of facts, all machines
at once. The machines get Python before, which is not timed: Rota needs none there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from platform_initializer.domain.container import ContainerSpec
from platform_initializer.domain.docker_settings import settings_change
from platform_initializer.domain.services import HEALTH_PORTS
from platform_initializer.steps import configuration, guards, images
from platform_initializer.world import World

REPOSITORY = Path(__file__).resolve().parents[1]
VENV = REPOSITORY / ".build" / "ansible"
ANSIBLE = "ansible-core==2.19.14"
_INSTALL = "apt-get -q install -y --no-install-recommends python3 python3-apt"
PYTHON = f"{_INSTALL} || {{ apt-get -q update && {_INSTALL}; }}"
SETTINGS = {
    "ANSIBLE_PIPELINING": "True", "ANSIBLE_FORKS": "30", "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=60s"
    " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
    "ANSIBLE_NOCOLOR": "True", "ANSIBLE_LOCALHOST_WARNING": "False", "LC_ALL": "C.UTF-8",
    "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
}  # fmt: skip
_CHANGED = re.compile(r"changed=(\d+).*unreachable=(\d+).*failed=(\d+)")


class Playbook:
    """One platform as Ansible sees it; everything it needs is in `folder`."""

    def __init__(self, world: World, folder: Path, key: Path) -> None:
        self._folder = folder
        self._machines = len(world.names)
        if not (VENV / "bin" / "ansible-playbook").exists():
            subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
            subprocess.run([str(VENV / "bin" / "pip"), "install", "-q", ANSIBLE], check=True)
        hosts = {name: _host(world, name, folder) for name in world.names}
        login = {"ansible_user": "deploy", "ansible_ssh_private_key_file": str(key),
                 "ansible_become": True}  # fmt: skip
        _write(folder / "inventory.json", {"all": {"hosts": hosts, "vars": login}})
        play = {"hosts": "all", "gather_facts": False, "tasks": _tasks()}
        _write(folder / "play.json", [play])
        bare = {"hosts": "all", "gather_facts": False,
                "tasks": [{"name": "python", "ansible.builtin.raw": PYTHON}]}  # fmt: skip
        _write(folder / "bare.json", [bare])

    def prepare(self) -> None:
        """Give each machine the Python that Ansible's modules run in."""
        self._play("bare.json")

    def run(self) -> int:
        """Play it; return how many tasks changed something."""
        return self._play("play.json")

    def _play(self, play: str) -> int:
        argv = [str(VENV / "bin" / "ansible-playbook"), "-i", "inventory.json", play]
        done = subprocess.run(argv, cwd=self._folder, env={**os.environ, **SETTINGS}, text=True,
                              capture_output=True, check=False)  # fmt: skip
        counts = [[int(n) for n in found] for found in _CHANGED.findall(done.stdout)]
        if done.returncode or len(counts) != self._machines:
            raise RuntimeError(f"ansible-playbook: {done.stdout[-3000:]}{done.stderr[-1000:]}")
        return sum(changed for changed, _, _ in counts)


def _host(world: World, name: str, folder: Path) -> dict[str, Any]:
    """Return a machine's variables: what is to be there."""
    (folder / "files" / name).mkdir(parents=True)
    wanted = [*configuration.wanted_files(world, name), *guards.wanted_files(world)]
    files = [
        {"src": _kept(folder / "files" / name / str(number), file.content), "dest": file.path,
         "mode": f"{file.mode:04o}", "owner": str(file.uid)}
        for number, file in enumerate(wanted)
    ]  # fmt: skip
    services = [placed.service for placed in world.placed() if placed.machine == name] + ["client"]
    specs = [world.container(service, name) for service in services]
    facts = world.facts[name]
    change = settings_change(facts)
    settings = change.text if change else facts.docker_settings
    docker = _kept(folder / "files" / name / "daemon.json", settings.encode())
    return {
        "ansible_host": world.machines[name].address, "files": files, "docker_settings": docker,
        "images": [image.image_id for image in images.needed_images(world, name)],
        "containers": [_container(spec) for spec in specs],
        "ports": [HEALTH_PORTS[service] for service in services if service in HEALTH_PORTS],
    }  # fmt: skip


def _container(spec: ContainerSpec) -> dict[str, str]:
    return {"name": spec.name, "spec_hash": spec.spec_hash()}


def _kept(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def _tasks() -> list[dict[str, Any]]:
    """List the tasks, in the order of `up`: Docker, files, guards, images, containers, health."""
    unit = {"state": "started", "enabled": True}
    copy = {"src": "{{ item.src }}", "dest": "{{ item.dest }}", "mode": "{{ item.mode }}",
            "owner": "{{ item.owner }}"}  # fmt: skip
    running = ("docker ps -q --filter name=^{{ item.name }}$"
               " --filter label=io.rota.spec-hash={{ item.spec_hash }}")  # fmt: skip
    return [
        _task("Docker Engine", "apt", {"name": "docker.io", "state": "present"}),
        _task("Docker's settings", "copy",
              {"src": "{{ docker_settings }}", "dest": "/etc/docker/daemon.json"}),
        _task("Docker at boot", "systemd", {"name": "docker", **unit}),
        _task("sampler's user", "user", {"name": "rota-sampler", "system": True,
                                         "create_home": False, "home": "/var/lib/rota-sampler"}),
        _task("folders", "file", {"path": "{{ item }}", "state": "directory"},
              loop=["/var/lib/rota/client", "/var/lib/rota/stamps"]),
        _task("files", "copy", copy, loop="{{ files }}", no_log=True),
        _task("guards", "systemd", {"name": "{{ item }}", **unit}, loop=list(guards.UNITS)),
        _look("firewall", "sh /usr/local/lib/rota/firewall.sh check"),
        _look("images", "docker image inspect {{ images | join(' ') }}"),
        _look("containers", running, loop="{{ containers }}", register="found",
              failed_when="found.stdout == ''"),
        _task("health", "uri", {"url": "http://127.0.0.1:{{ item }}/readyz"}, loop="{{ ports }}"),
    ]  # fmt: skip


def _task(name: str, module: str, arguments: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"name": name, f"ansible.builtin.{module}": arguments, **more}


def _look(name: str, command: str, **more: object) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.command": command, "changed_when": False, **more}


def _write(path: Path, whole: object) -> None:
    path.write_text(json.dumps(whole, indent=1), encoding="utf-8")

"""The doctor's rules on machines before and after `up`: M1xx the machine, D2xx Docker. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from platform_initializer.domain.facts import Facts
from platform_initializer.domain.findings import GIB, MIB, MOST_SKEW_S, OLDEST_DOCKER, Rule, Seen
from platform_initializer.domain.packages import install_commands

Found = Iterator[tuple[str, str]]


def _os(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.os.split(" ")[0] not in {"debian", "ubuntu"}:
        yield facts.os or "unknown", facts.os


def _packager(_n: str, facts: Facts, _s: Seen) -> Found:
    if not facts.docker and not install_commands(facts):
        yield "no Docker daemon, no known package of it", ""


def _systemd(_n: str, facts: Facts, _s: Seen) -> Found:
    if not facts.has_systemd:
        yield "/run/systemd/system is absent", ""


def _cpu(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.cpus < 1:
        yield f"{facts.cpus} processors online", ""


def _memory(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.memory < 900 * MIB:
        yield f"{facts.memory // MIB} MiB", ""


def _memory_for_stores(name: str, facts: Facts, seen: Seen) -> Found:
    stores = [s for s in seen.expected.get(name, ()) if s in {"kafka", "mysql"}]
    needed = len(stores) * 900 * MIB + 512 * MIB
    if stores and facts.memory < needed:
        yield f"{facts.memory // MIB} MiB for {' and '.join(stores)}", str(needed // MIB)


def _disk(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.disk_free < GIB // 2:
        yield f"{facts.disk_free // MIB} MiB free", ""


def _disk_low(_n: str, facts: Facts, _s: Seen) -> Found:
    if GIB // 2 <= facts.disk_free < 2 * GIB:
        yield f"{facts.disk_free // MIB} MiB free", ""


def _inodes(_n: str, facts: Facts, _s: Seen) -> Found:
    if 0 <= facts.inodes_free < 20_000:
        yield f"{facts.inodes_free} inodes free", ""


def _skew(name: str, _f: Facts, seen: Seen) -> Found:
    skew = seen.skew_s.get(name, 0.0)
    if abs(skew) > MOST_SKEW_S:
        yield f"its clock is {skew:+.1f} s off ours", ""


def _unsynchronised(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.clock_synchronised == "no":
        yield "timedatectl: NTPSynchronized=no", ""


def _twin(name: str, facts: Facts, seen: Seen) -> Found:
    twins = [other for other, known in seen.facts.items()
             if other != name and known.machine_id == facts.machine_id]  # fmt: skip
    if facts.machine_id and twins:
        yield f"machine-id {facts.machine_id[:8]} is also that of {', '.join(twins)}", ""


def _no_machine_id(_n: str, facts: Facts, _s: Seen) -> Found:
    if not facts.machine_id:
        yield "/etc/machine-id is empty", ""


def _load(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.cpus and facts.load > 4 * facts.cpus:
        yield f"load {facts.load:.1f} on {facts.cpus} processors", ""


def _swap(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.memory and facts.memory_free < facts.memory // 20:
        yield f"{facts.memory_free // MIB} of {facts.memory // MIB} MiB are left", ""


def _read_only(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.is_read_only:
        yield "/var/lib cannot be written", ""


def _no_daemon(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.has_docker_client and not facts.docker:
        yield "`docker version` has no answer from a server", ""


def _old_docker(_n: str, facts: Facts, _s: Seen) -> Found:
    words = facts.docker.split("+")[0].split(".")
    numbers = tuple(int(word) for word in words[:2] if word.isdigit())
    if len(numbers) == 2 and numbers < OLDEST_DOCKER:
        yield f"Docker {facts.docker}", ""


def _not_at_boot(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.docker and facts.docker_at_boot == "disabled":
        yield "systemctl is-enabled docker: disabled", ""


def _storage(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.docker_storage not in {"", "overlay2", "overlayfs", "btrfs", "zfs"}:
        yield f"storage driver {facts.docker_storage}", ""


def _foreign(_n: str, facts: Facts, _s: Seen) -> Found:
    for name in facts.foreign_containers:
        yield f"container {name} has not our label", name


def _socket_open(_n: str, facts: Facts, _s: Seen) -> Found:
    for address in facts.docker_sockets:
        yield f"dockerd listens on {address}", address


RULES = (
    Rule("M101", "warning", "untried operating system", "only Debian and Ubuntu are tested",
         "use one of them, or install Docker Engine yourself before `up`", _os),
    Rule("M102", "error", "Docker cannot be installed", "there is no package manager that we know",
         "install Docker Engine by hand and start it", _packager),
    Rule("M103", "error", "no systemd", "nothing would start Docker after a boot",
         "use a machine with systemd", _systemd),
    Rule("M104", "error", "no processor", "the machine did not say how many it has",
         "look at `getconf _NPROCESSORS_ONLN` on {machine}", _cpu),
    Rule("M105", "error", "too little memory", "the client and a small app need 900 MiB",
         "give {machine} 1 GiB or more", _memory),
    Rule("M106", "warning", "little memory for the stores",
         "Kafka and MySQL may be ended by the kernel under load",
         "give {machine} {detail} MiB or pin them elsewhere (services: {{kafka: {{on: [...]}}}})",
         _memory_for_stores),
    Rule("M107", "error", "the disk is full", "images and logs will not fit; MySQL would stop",
         "free some space on {machine}: df -h; docker system df", _disk),
    Rule("M108", "warning", "the disk is getting full", "under 2 GiB are left",
         "free some space on {machine}: df -h; docker system df", _disk_low),
    Rule("M109", "error", "no inodes left", "files cannot be made although space is free",
         "find the folder with very many files on {machine}: du --inodes -d2 /var | sort -n | tail",
         _inodes),
    Rule("M110", "error", "the clock is wrong", "a node over 2 s off gets no jobs",
         "let {machine} synchronise: timedatectl set-ntp true (or install chrony)", _skew),
    Rule("M111", "warning", "the clock is not synchronised", "it will drift until jobs are late",
         "timedatectl set-ntp true on {machine} (or install chrony)", _unsynchronised),
    Rule("M112", "error", "two names, one machine", "they share one machine-id",
         "remove one from the file; for clones: rm /etc/machine-id && systemd-machine-id-setup",
         _twin),
    Rule("M113", "warning", "no machine-id", "a clone could not be told from its original",
         "systemd-machine-id-setup on {machine}", _no_machine_id),
    Rule("M114", "warning", "very busy", "jobs will start late there",
         "see what runs: top on {machine}", _load),
    Rule("M115", "warning", "memory is nearly used up", "the kernel may end a service",
         "see what uses it: ps aux --sort=-rss | head on {machine}", _swap),
    Rule("M116", "error", "the disk is read-only", "nothing can be written; often a disk error",
         "look at `dmesg | tail` on {machine}", _read_only),
    Rule("D201", "error", "the Docker daemon does not answer", "no container can be started",
         "journalctl -u docker -n 50 on {machine}; systemctl restart docker", _no_daemon),
    Rule("D202", "error", "Docker is too old", "20.10 is the oldest we run on",
         "upgrade Docker Engine on {machine}", _old_docker),
    Rule("D203", "warning", "Docker does not start at boot", "after a boot nothing would run",
         "systemctl enable docker on {machine}", _not_at_boot),
    Rule("D204", "warning", "slow storage driver", "starts take seconds instead of milliseconds",
         "use overlay2 on {machine} (/etc/docker/daemon.json)", _storage),
    Rule("D205", "error", "a name of ours is taken", "`up` could not make its own container",
         "on {machine}: docker rename {detail} other-name", _foreign),
    Rule("D206", "error", "Docker is open to the network", "who reaches that port is root there",
         "remove -H tcp://{detail} from dockerd's settings on {machine}", _socket_open),
)  # fmt: skip

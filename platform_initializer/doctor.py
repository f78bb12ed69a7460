"""`rota platform doctor`: looks at everything, changes nothing, tells what is wrong and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from common.clock import Clock
from common.errors import RotaError
from common.ssh import SshDoor
from platform_initializer.domain.description import Description
from platform_initializer.domain.facts import Facts
from platform_initializer.domain.findings import OUR_PORTS, Finding, Seen, examine
from platform_initializer.domain.placement import place
from platform_initializer.domain.rules_machine import RULES as MACHINE_RULES
from platform_initializer.domain.rules_platform import RULES as PLATFORM_RULES
from platform_initializer.domain.services import QUORUM_PORT
from platform_initializer.errors import Failure
from platform_initializer.external_checks import CHECKS as EXTERNAL_CHECKS
from platform_initializer.external_checks import external_findings, world_there
from platform_initializer.gather import Gathered, reach, side_by_side
from platform_initializer.health import ask_readiness
from platform_initializer.host import Host
from platform_initializer.machines import Machine
from platform_initializer.machines.fleet import Fleet
from platform_initializer.renewal import CHECKS as CERTIFICATE_CHECKS
from platform_initializer.renewal import findings_of
from platform_initializer.secret_store import SecretStore

Value = TypeVar("Value")
RULES = (*MACHINE_RULES, *PLATFORM_RULES)
_PORTS = """\
for place in "$@"; do
    said=$(timeout 2 bash -c "exec 3<>/dev/tcp/${place%:*}/${place##*:}" 2>&1)
    case $?:$said in
        0:*) echo "$place open" ;;
        124:*) echo "$place filtered" ;;
        *refused*) echo "$place refused" ;;
        *) echo "$place filtered" ;;
    esac
done
"""


@dataclass(frozen=True)
class Diagnosis:
    """What was found, worst first, and how much was looked at."""

    findings: Sequence[Finding]
    machines: int
    checks: int


def diagnose(description: Description, door: SshDoor, clock: Clock) -> Diagnosis:
    """Apply every check to every machine that answers; those that do not are findings, too."""
    store = SecretStore(description.store)
    store.complete(keep=False)
    fleet = Fleet(description, store)
    machines, orphans = fleet.existing(), fleet.orphans()
    gathered = reach(machines, description, door, lock=False, full=True)
    try:
        seen = _see(description, machines, gathered, (clock, store.broker_seats()))
        outside = external_findings(world_there(description, machines, gathered, store))
    finally:
        gathered.close()
    findings = [*map(_reach_finding, gathered.failures), *examine(seen, RULES)]
    findings += _absent_machines(description, {machine.name for machine in machines})
    findings += map(_orphan_machine, orphans)
    findings += outside
    findings += findings_of(store.certificates(), clock.now())
    findings.sort(key=lambda finding: (finding.severity != "error", finding.code, finding.machine))
    checks = len(RULES) + len(_REACH) + 3 + CERTIFICATE_CHECKS + EXTERNAL_CHECKS
    return Diagnosis(findings, len(machines), checks)


def _see(
    description: Description, machines: Sequence[Machine], gathered: Gathered,
    known: tuple[Clock, Mapping[str, int]],
) -> Seen:  # fmt: skip
    clock, seats = known
    facts, parallel = gathered.facts, description.parallel
    expected: dict[str, list[str]] = {}
    if any(known.containers for known in facts.values()):
        expected = {name: ["client"] for name in facts}
        for placed in place(description, list(facts), facts, seats):
            expected[placed.machine].append(placed.service)
    return Seen(
        facts=facts,
        skew_s=_skews(gathered.hosts, parallel, clock),
        ready=_readiness(gathered, parallel),
        ports=_port_matrix(machines, gathered, parallel),
        expected=expected,
    )


def _skews(hosts: Mapping[str, Host], parallel: int, clock: Clock) -> dict[str, float]:
    """Measure each clock against ours; half of the round trip is taken off."""

    def one(host: Host) -> float:
        before = clock.now()
        there = float(host.command("reading its clock", ["date", "+%s.%N"]))
        middle = before + (clock.now() - before) / 2
        return there - middle.timestamp()

    return _answers((host.name, skew) for host, skew in side_by_side(hosts.values(), one, parallel))


def _readiness(gathered: Gathered, parallel: int) -> dict[str, Mapping[str, str | None]]:
    names = [name for name, facts in gathered.facts.items()
             if "client" in facts.containers
             and facts.containers["client"].state == "running"]  # fmt: skip

    def one(name: str) -> Mapping[str, str | None]:
        return ask_readiness(gathered.hosts[name], list(gathered.facts[name].containers), 0.0)

    return _answers(side_by_side(names, one, parallel))


def _port_matrix(
    machines: Sequence[Machine], gathered: Gathered, parallel: int
) -> dict[tuple[str, str, int], str]:
    """Let every machine try every other's ports that matter to it."""
    brokers = sum("kafka" in facts.containers for facts in gathered.facts.values())
    places = {f"{m.address}:{port}": (m.name, port)
              for m in machines if m.name in gathered.facts
              for port in _ports_of(m, gathered.facts[m.name], brokers)}  # fmt: skip

    def one(host: Host) -> str:
        limit = 30.0 + 2.5 * len(places)
        return host.script("trying the ports of the others", _PORTS, *places, timeout_s=limit)

    found: dict[tuple[str, str, int], str] = {}
    for host, said in side_by_side(gathered.hosts.values(), one, parallel):
        for line in said.splitlines() if isinstance(said, str) else ():
            place_, state = line.split()
            found[host.name, *places[place_]] = state
    return found


def _ports_of(machine: Machine, facts: Facts, brokers: int) -> list[int]:
    stores = [port for port, service in OUR_PORTS.items() if service in facts.containers]
    if brokers > 1 and "kafka" in facts.containers:  # one alone speaks to itself, on 127.0.0.1
        stores.append(QUORUM_PORT)
    return stores if machine.is_local else [machine.login.port, *stores]


def _answers(pairs: Iterable[tuple[str, Value | RotaError]]) -> dict[str, Value]:
    return {key: value for key, value in pairs if not isinstance(value, RotaError)}


_REACH = (
    ("R002", "its host key is not the pinned one", "host key"),
    ("R003", "it refuses the login", "refuses the key"),
    ("R004", "sudo does not work", "sudo"),
)


def _reach_finding(failure: Failure) -> Finding:
    text = f"{failure.what} {failure.why}"
    known = [(code, title) for code, title, mark in _REACH if mark in text]
    code, title = known[0] if known else ("R001", "it does not answer")
    return Finding(code, "error", failure.machine, title, failure.why, "nothing can be done there",
                   failure.next_step or "see that it is up and that sshd runs")  # fmt: skip


def _orphan_machine(name: str) -> Finding:
    return Finding("R006", "warning", name, "a machine that the file does not name",
                   "it carries this platform's mark", "its pool became smaller or was renamed",
                   f"rota platform machine remove {name} --dead, or name it again")  # fmt: skip


def _absent_machines(description: Description, there: set[str]) -> list[Finding]:
    return [
        Finding("R005", "warning", name, "the machine is not made yet", "its driver has none",
                "it is in a pool and does not run", "rota platform up")
        for name in description.machine_names() if name not in there
    ]  # fmt: skip

"""The doctor's rules on the platform: N3xx the network, S4xx services, F5xx files. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from platform_initializer.domain.facts import Facts
from platform_initializer.domain.findings import OUR_PORTS, Check, Rule, Seen

Found = Iterator[tuple[str, str]]
SECRETS = "/etc/rota/secrets/"


def _taken(name: str, facts: Facts, seen: Seen) -> Found:
    for port, service in OUR_PORTS.items():
        wanted = service == "client" or service in seen.expected.get(name, ())
        if wanted and port in facts.listening and service not in facts.containers:
            who = facts.listening[port]
            yield f"port {port}, which {service} needs, is taken by {who}", str(port)


def _unreachable(name: str, _f: Facts, seen: Seen) -> Found:
    for (source, target, port), state in seen.ports.items():
        if source == name and state == "filtered":
            yield f"{source} -> {target}:{port} is filtered", f"{target}:{port}"


def _refused(name: str, _f: Facts, seen: Seen) -> Found:
    for (source, target, port), state in seen.ports.items():
        service = OUR_PORTS.get(port)
        runs = service in seen.facts[target].containers if target in seen.facts else False
        if source == name and state == "refused" and runs:
            yield f"{source} -> {target}:{port} ({service}) is refused", f"{service} on {target}"


def _open_to_all(_n: str, facts: Facts, _s: Seen) -> Found:
    for port, who in facts.listening.items():
        if port in OUR_PORTS and port in facts.listening_everywhere:
            yield f"port {port} ({who}) listens on every address", str(port)


def _absent(name: str, facts: Facts, seen: Seen) -> Found:
    for service in seen.expected.get(name, ()):
        if service not in facts.containers:
            yield f"no container of {service}", service


def _stopped(_n: str, facts: Facts, _s: Seen) -> Found:
    for service, container in facts.containers.items():
        if container.state not in {"running", "restarting"}:
            yield f"{service} is {container.state}", service


def _crashing(_n: str, facts: Facts, _s: Seen) -> Found:
    for service, container in facts.containers.items():
        if container.state == "restarting":
            yield f"{service} ends as soon as it starts ({container.restarts} restarts)", (
                service.replace("_", "-"))  # fmt: skip


def _restarted(_n: str, facts: Facts, _s: Seen) -> Found:
    for service, container in facts.containers.items():
        if container.state == "running" and container.restarts >= 3:
            yield f"{service} was restarted {container.restarts} times", service.replace("_", "-")


def _unhealthy(_n: str, facts: Facts, _s: Seen) -> Found:
    for service, container in facts.containers.items():
        if container.health == "unhealthy":
            yield f"Docker calls {service} unhealthy", service.replace("_", "-")


def _not_ready(name: str, facts: Facts, seen: Seen) -> Found:
    running = {s for s, container in facts.containers.items() if container.state == "running"}
    for service, lacks in seen.ready.get(name, {}).items():
        if lacks is not None and service in running:
            yield f"{service}: {lacks}", service.replace("_", "-")


def _misplaced(name: str, facts: Facts, seen: Seen) -> Found:
    for service in facts.containers:
        if seen.expected and service not in seen.expected.get(name, ()):
            yield f"{service} runs here and is not meant to", service


def _open_secret(_n: str, facts: Facts, _s: Seen) -> Found:
    for path, fact in facts.files.items():
        if path.startswith(SECRETS) and fact.mode & 0o377:
            yield f"{path} has mode {fact.mode:o}", path


def _no_map(_n: str, facts: Facts, _s: Seen) -> Found:
    if "client" in facts.containers and "/etc/rota/platform.json" not in facts.files:
        yield "/etc/rota/platform.json is absent", ""


def _no_sampler(_n: str, facts: Facts, _s: Seen) -> Found:
    if "client" in facts.containers and not facts.has_sampler:
        yield "no user rota-sampler", ""


def _sampler_loose(_n: str, facts: Facts, _s: Seen) -> Found:
    fact = facts.files.get("/var/lib/rota-sampler/.ssh/authorized_keys")
    if fact is not None and (fact.uid != 0 or fact.mode & 0o022):
        yield f"its authorized_keys has mode {fact.mode:o} and owner {fact.uid}", ""


def _orphans(_n: str, facts: Facts, _s: Seen) -> Found:
    if facts.job_containers and "client" not in facts.containers:
        yield f"{facts.job_containers} containers of jobs, and no client", ""


def _unit(unit: str) -> Check:
    def check(_n: str, facts: Facts, _s: Seen) -> Found:
        state = facts.units.get(unit, "absent")
        if "client" in facts.containers and not state.startswith("active"):
            yield f"{unit} is {state}", ""

    return check


def _no_rules(_n: str, facts: Facts, _s: Seen) -> Found:
    if "client" in facts.containers and not facts.has_firewall_rules:
        yield "the rules of /usr/local/lib/rota/firewall.sh are not all in force", ""


UP = "run `rota platform up` again"
LOG = "on {machine}: docker logs --tail 50 rota-{detail}"
RULES = (
    Rule("N301", "error", "a port is taken", "the service could not listen",
         "stop what listens on {detail} on {machine}: ss -ltnp", _taken),
    Rule("N302", "error", "a firewall is between", "packets are dropped, nothing answers",
         "let {machine} reach {detail} (ufw, security groups)", _unreachable),
    Rule("N303", "error", "a service does not listen", "its container runs, its port refuses",
         "look at the log of {detail}", _refused),
    Rule("N304", "error", "open to every network", "services belong on the private address",
         UP, _open_to_all),
    Rule("S401", "error", "a service is absent", "it is to run there and has no container",
         UP, _absent),
    Rule("S402", "error", "a service is stopped", "somebody stopped its container",
         UP, _stopped),
    Rule("S403", "error", "a service crashes", "it ends right after each start", LOG, _crashing),
    Rule("S404", "warning", "a service was restarted often", "it crashed or ran out of memory",
         LOG, _restarted),
    Rule("S405", "error", "a store is unhealthy", "its own health check fails", LOG, _unhealthy),
    Rule("S406", "error", "a service is not ready", "what it needs does not answer", LOG,
         _not_ready),
    Rule("S407", "warning", "a service runs at the wrong place", "the file places it elsewhere",
         UP, _misplaced),
    Rule("S408", "warning", "jobs without a client", "nobody enforces their stop times there",
         UP, _orphans),
    Rule("S409", "error", "the watchdog does not run",
         "stop times hold only as long as the client lives", UP, _unit("rota-watchdog.service")),
    Rule("S410", "error", "apps can reach the platform",
         "an app there could reach Kafka, MySQL and sshd", UP, _no_rules),
    Rule("F501", "error", "a secret may be read by others", "its mode was changed", UP,
         _open_secret),
    Rule("F502", "error", "the map of machines is absent", "services cannot find each other", UP,
         _no_map),
    Rule("F503", "error", "the sampler's user is absent", "the machine's load cannot be read", UP,
         _no_sampler),
    Rule("F504", "error", "the sampler's key is not protected",
         "the sampler could give itself a shell", UP, _sampler_loose),
)  # fmt: skip

"""Whether the services are ready and when they were last heard of, asked on their machines.

The health ports answer to the machine only. One round trip asks all services of a machine; a first
look does without Docker, which takes several times as long to start a process in a container.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_initializer.domain.services import HEALTH_PORTS
from platform_initializer.errors import Failure, MachineError
from platform_initializer.host import Host

ASK = """\
import json, sys, time, urllib.error, urllib.request
deadline = time.monotonic() + float(sys.argv[1])
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
def ask(port):
    try:
        with open_url(f"http://127.0.0.1:{port}/readyz?verbose", timeout=3) as answer:
            return {"ready": True, "said": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"ready": False, "said": error.read().decode()}
    except OSError as error:
        return {"ready": False, "said": str(error)}
def beat_age(port):
    try:
        with open_url(f"http://127.0.0.1:{port}/metrics", timeout=3) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    sent = [float(line.split()[-1]) for line in lines
            if line.startswith("rota_heartbeat_timestamp_seconds{")]
    return max(0.0, round(time.time() - min(sent), 1)) if sent else None
while True:
    found = {port: ask(port) for port in sys.argv[2:]}
    if all(one["ready"] for one in found.values()) or time.monotonic() > deadline:
        break
    time.sleep(0.3)
for port, one in found.items():
    one["beat_age_s"] = beat_age(port)
print(json.dumps(found))
"""
_EXEC = """\
tries=0
until docker exec rota-client true 2> /dev/null; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || break
    sleep 0.3
done
docker exec rota-client python3 -c "$@" || {
    code=$?
    docker logs --tail 8 rota-client 2>&1 | cut -c 1-300 >&2
    echo "the client does not stay up" >&2
    exit $code
}
"""
# Says "ready" if every port of its arguments answers 200; else nothing, also where bash is missing.
_LOOK = """\
command -v bash > /dev/null || exit 0
exec bash -c '
for port; do
    exec 3<> "/dev/tcp/127.0.0.1/$port" || exit 0
    printf "GET /readyz HTTP/1.0\\r\\n\\r\\n" >&3
    read -r -t 3 -u 3 _ code _ || exit 0
    [ "$code" = 200 ] || exit 0
    exec 3>&-
done
echo ready' look "$@" 2> /dev/null
"""


@dataclass(frozen=True)
class Said:
    """What a service answered: what it lacks (None: it is ready), and its heartbeat's age.

    `beat_age_s` is in seconds by the machine's own clock, the oldest where a service sends several;
    None where it does not answer or does not tell.
    """

    lacks: str | None
    beat_age_s: float | None


def ask_services(host: Host, services: Sequence[str], wait_s: float) -> Mapping[str, Said]:
    """Ask all services that have a health port, in one round trip.

    It waits at most `wait_s` for those that are not ready, longer where the machine is slow.
    """
    ports = {str(HEALTH_PORTS[service]): service for service in services if service in HEALTH_PORTS}
    wait_s *= host.patience
    said = host.script("asking the services", _EXEC, ASK, f"{wait_s:g}", *ports,
                       timeout_s=wait_s + 45.0)  # fmt: skip
    found = json.loads(said.splitlines()[-1])
    return {
        service: Said(
            None if found[port]["ready"] else _shorten(found[port]["said"]),
            found[port]["beat_age_s"],
        )
        for port, service in ports.items()
    }


def ask_readiness(host: Host, services: Sequence[str], wait_s: float) -> Mapping[str, str | None]:
    """Return what each service lacks (None: it is ready), after at most `wait_s`."""
    return {name: said.lacks for name, said in ask_services(host, services, wait_s).items()}


def are_ready(host: Host, ports: Sequence[int]) -> bool:
    """Tell whether all of these ports say so now; False is no proof that one does not."""
    return host.script("looking at the services", _LOOK, *map(str, ports)).strip() == "ready"


def require_ready(host: Host, services: Sequence[str], wait_s: float) -> None:
    """Wait until all are ready; raise `MachineError` with what they say and their last lines."""
    if are_ready(host, [HEALTH_PORTS[service] for service in services if service in HEALTH_PORTS]):
        return
    lacking = {
        service: said
        for service, said in ask_readiness(host, services, wait_s).items() if said is not None
    }  # fmt: skip
    if not lacking:
        return
    lines: list[str] = []
    for service, said in lacking.items():
        name = f"rota-{service.replace('_', '-')}"
        shown = host.script("reading its log", 'docker logs --tail 6 "$1" 2>&1 || true', name)
        lines += [f"{service}: {said}", *shown.splitlines()[-6:]]
    raise MachineError(Failure(
        host.name, "waiting for the services", f"not ready: {', '.join(lacking)}",
        last_lines=tuple(lines), next_step=f"docker logs {name} on the machine tells more",
    ))  # fmt: skip


def _shorten(said: str) -> str:
    bad = [line for line in said.strip().splitlines() if not line.endswith(": ok")]
    return "; ".join(bad)[:300] or "not ready"

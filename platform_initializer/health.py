"""Whether the services are ready, asked on their machines: /readyz answers to the machine only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

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
while True:
    found = {port: ask(port) for port in sys.argv[2:]}
    if all(one["ready"] for one in found.values()) or time.monotonic() > deadline:
        break
    time.sleep(0.3)
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


def ask_readiness(host: Host, services: Sequence[str], wait_s: float) -> Mapping[str, str | None]:
    """Return what each service lacks (None: it is ready), after at most `wait_s`."""
    ports = {str(HEALTH_PORTS[service]): service for service in services if service in HEALTH_PORTS}
    said = host.script("asking the services", _EXEC, ASK, f"{wait_s:g}", *ports,
                       timeout_s=wait_s + 45.0)  # fmt: skip
    found = json.loads(said.splitlines()[-1])
    return {
        service: None if found[port]["ready"] else _shorten(found[port]["said"])
        for port, service in ports.items()
    }


def require_ready(host: Host, services: Sequence[str], wait_s: float) -> None:
    """Wait until all are ready; raise `MachineError` with what they say and their last lines."""
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

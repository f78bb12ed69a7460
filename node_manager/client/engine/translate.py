"""Docker's JSON into our words, and our plans into Docker's options. Pure; the door only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common.jobs import container_name_of
from node_manager.client.domain.attempt import Key, Seen, Status
from node_manager.client.domain.container import (
    KEEP_UNTIL,
    LABEL,
    LOG_FILE_BYTES,
    LOG_FILES,
    NETWORK,
    SPEC_HASH,
    ContainerPlan,
    Owner,
    is_of_former_boot,
)
from node_manager.client.engine import EngineUnavailableError

_STATUSES = {"created": Status.CREATED, "exited": Status.EXITED, "dead": Status.EXITED}


def key_of_labels(labels: Mapping[str, str], owner: Owner) -> Key | None:
    """Return whose container this is; None for one that is not ours."""
    if labels.get(f"{LABEL}platform") != owner.platform:
        return None
    if labels.get(f"{LABEL}node") != owner.node_id:
        return None
    job_id, attempt = labels.get(f"{LABEL}job", ""), labels.get(f"{LABEL}attempt", "")
    is_number = attempt.isascii() and attempt.isdecimal()
    return Key(job_id, int(attempt)) if job_id and is_number else None


def seen_of_listing(found: Mapping[str, Any]) -> Seen:
    """Read one element of `GET /containers/json`."""
    return _seen(found["Id"], found.get("State", ""), found.get("Labels") or {})


def seen_of_inspection(found: Mapping[str, Any], name: str, owner: Owner) -> Seen:
    """Read `GET /containers/<name>/json`.

    Raises `EngineUnavailableError` while it is being removed: it does not run, and soon there is
    none, but a removal may fail. What is dead (half removed) and never started did not run either.
    """
    state, config = found["State"], found["Config"]
    labels = config.get("Labels") or {}
    key = key_of_labels(labels, owner)
    is_ours = key is not None and container_name_of(key.job_id, key.attempt) == name
    if not is_ours:
        return Seen(container_id=found["Id"], status=Status.RUNNING, is_ours=False)
    status, started_at = state["Status"], instant_of(state.get("StartedAt"))
    if status == "removing":
        raise EngineUnavailableError(f"Docker is removing {name}")
    return _seen(
        found["Id"],
        "created" if status == "dead" and started_at is None else status,
        labels,
        started_at=started_at,
        ended_at=instant_of(state.get("FinishedAt")),
        exit_code=state.get("ExitCode"),
        oom_killed=bool(state.get("OOMKilled")),
        stop_signal=config.get("StopSignal") or "SIGTERM",
        is_of_former_boot=is_of_former_boot(labels, owner),
    )


def _seen(container_id: str, status: str, labels: Mapping[str, str], **details: Any) -> Seen:
    grace_s = _number(labels, "grace")
    return Seen(
        container_id=container_id,
        status=_STATUSES.get(status, Status.RUNNING),
        epoch=_number(labels, "epoch") or 0,
        stop_at=instant_of(labels.get(f"{LABEL}deadline")),
        timeout_s=_number(labels, "timeout"),
        grace_s=10 if grace_s is None else grace_s,
        restart=labels.get(f"{LABEL}restart", "never"),
        keep_until=instant_of(labels.get(KEEP_UNTIL)),
        spec_hash=labels.get(SPEC_HASH),
        **details,
    )


def _number(labels: Mapping[str, str], name: str) -> int | None:
    """Read a label that someone else may have written."""
    text = labels.get(LABEL + name, "")
    return int(text) if text.isascii() and text.isdecimal() else None


def instant_of(text: str | None) -> datetime | None:
    """Read Docker's RFC 3339 with nanoseconds; None for its zero time (year 1) and for no time."""
    if not text or text.startswith("0001-"):
        return None
    head, _, rest = text.replace("Z", "+00:00").partition(".")
    if rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        head += f".{digits[:6]:0<6}{rest[len(digits) :]}"
    try:
        return datetime.fromisoformat(head).astimezone(UTC)
    except ValueError:
        return None


def host_options(plan: ContainerPlan, machine_cpus: float) -> dict[str, Any]:
    """Return the keywords of docker-py's `create_host_config`: limits and hardening.

    A CPU limit above the machine's own is refused by Docker, so it is cut to that.
    """
    relaxation = plan.relaxation
    cpus = min(plan.cpus, machine_cpus) if machine_cpus else plan.cpus
    return {
        "cap_drop": ["ALL"],
        "cap_add": list(relaxation.cap_add) or None,
        "security_opt": ["no-new-privileges"],
        "read_only": relaxation.read_only,
        "tmpfs": {"/tmp": f"size={relaxation.tmpfs_mib}m,mode=1777,nosuid,nodev"},  # noqa: S108
        "pids_limit": relaxation.pids,
        "mem_limit": plan.memory_bytes,
        "memswap_limit": plan.memory_bytes,
        "nano_cpus": int(cpus * 1_000_000_000),
        "init": True,
        "network_mode": relaxation.network,
        "binds": [f"{outside}:{inside}" for outside, inside in relaxation.volumes.items()],
        "mounts": [  # unlike binds, a file that is not there is an error
            {"Type": "bind", "Source": outside, "Target": inside, "ReadOnly": True}
            for outside, inside in plan.secret_files.items()
        ],
        "restart_policy": {"Name": "no"},
        "log_config": {
            "Type": "json-file",
            "Config": {"max-size": str(LOG_FILE_BYTES), "max-file": str(LOG_FILES)},
        },
    }


def network_options(network: str) -> dict[str, str]:
    """Return the options of an apps' bridge: containers on it do not see each other.

    The interface of the usual one has a fixed name, by which the firewall knows it.
    """
    options = {"com.docker.network.bridge.enable_icc": "false"}
    if network == NETWORK:
        options["com.docker.network.bridge.name"] = NETWORK
    return options


def is_made_meanwhile(refusal: str) -> bool:
    """Tell whether Docker refused a network because another thread of ours was quicker.

    Where two ask at the same moment the second is told of the bridge's name, with 403 and not 409.
    """
    return "networks have same bridge name" in refusal

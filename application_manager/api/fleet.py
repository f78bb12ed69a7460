"""Routes of nodes and of the platform's own services."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from application_manager.api.guard import Viewer
from application_manager.api.parts import Parts, PartsDep
from application_manager.api.problems import ApiError
from application_manager.ledger import list_nodes

SILENT_AFTER_S = 15.0

router = APIRouter(prefix="/api/v1", tags=["fleet"])
NodeId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


@router.get("/nodes")
def nodes(parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """List every node with its last load sample and its jobs."""
    return {"items": list_nodes(parts.database, parts.loads), "next_cursor": None}


@router.get("/nodes/{node_id}")
def node(node_id: NodeId, parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """Show one node."""
    for each in list_nodes(parts.database, parts.loads):
        if each["node"] == node_id:
            return each
    raise ApiError(404, "no_such_node", f"there is no node {node_id!r}")


@router.get("/services")
def services(parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """List the platform's own processes as their heartbeats tell."""
    return {"items": list_services(parts), "next_cursor": None}


@router.get("/me")
def me(actor: Viewer) -> dict[str, Any]:
    """Tell who is asking."""
    return {"name": actor.name, "role": actor.role.label}


def list_services(parts: Parts) -> list[dict[str, Any]]:
    """List services, replica by replica; `ok`, `unwell` or `silent`."""
    found = []
    for beat, age_s in parts.monitor.services(parts.clock.now()):
        wrong = {name: said for name, said in beat.health.items() if said != "ok"}
        state = "silent" if age_s > SILENT_AFTER_S else "unwell" if wrong else "ok"
        found.append({
            "service": beat.service, "replica": beat.replica, "state": state, "host": beat.host,
            "build": beat.build, "started_at": beat.started_at, "age_s": round(age_s, 1),
            "health": dict(beat.health), "figures": dict(beat.figures),
        })  # fmt: skip
    return found

"""Routes of nodes and of the platform's own services."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path

from application_manager.api.guard import Operator, Viewer
from application_manager.api.parts import PartsDep
from application_manager.asks import NoSuchNodeError
from application_manager.ledger import list_nodes
from application_manager.live import list_services

router = APIRouter(prefix="/api/v1", tags=["fleet"])
DrainMode = Literal["wait", "move", "force"]
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
    raise NoSuchNodeError(f"there is no node {node_id!r}")


@router.post("/nodes/{node_id}/drain", status_code=202)
def drain(
    node_id: NodeId, parts: PartsDep, actor: Operator, mode: DrainMode = "wait"
) -> dict[str, Any]:
    """Give a node nothing new; its jobs end there, are moved, or are killed."""
    wish = "DRAINING" if mode == "wait" else f"DRAINING:{mode}"
    parts.asks.of_node(node_id, wish, actor)
    return {"node": node_id, "wish": wish}


@router.post("/nodes/{node_id}/uncordon", status_code=202)
def uncordon(node_id: NodeId, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Use a node again."""
    parts.asks.of_node(node_id, "", actor)
    return {"node": node_id, "wish": ""}


@router.delete("/nodes/{node_id}", status_code=202)
def remove(node_id: NodeId, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Take a node out of the list; 409 while it takes jobs or has some."""
    parts.asks.remove_node(node_id, actor)
    return {"node": node_id, "wish": "REMOVED"}


@router.get("/services")
def services(parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """List the platform's own processes as their heartbeats tell."""
    return {"items": list_services(parts.monitor, parts.clock.now()), "next_cursor": None}


@router.get("/me")
def me(actor: Viewer) -> dict[str, Any]:
    """Tell who is asking."""
    return {"name": actor.name, "role": actor.role.label}

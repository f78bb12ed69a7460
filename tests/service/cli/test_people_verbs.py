"""Users, tokens, applications and the audit from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.application_manager.bench import NOON
from tests.service.cli.conftest import Command

PASSWORD = "correct horse battery"


def listed(rota: Command, *words: str) -> list[dict[str, Any]]:
    done = rota(*words, "-o", "json")
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def test_a_user_is_made_changed_and_removed(rota: Command, tmp_path: Path) -> None:
    assert rota("user", "add", "anna", "--password-file", "-", stdin=PASSWORD + "\n").code == 0
    rota.world.parts.people.log_in("anna", PASSWORD, "here")
    assert rota("user", "change", "anna", "--role", "operator", "--disable").code == 0
    anna = next(row for row in listed(rota, "user", "list") if row["name"] == "anna")
    assert (anna["role"], anna["is_disabled"]) == ("operator", True)
    assert rota("user", "remove", "anna").code == 2, "it asks, and nobody is here"
    assert rota("user", "remove", "anna", "--yes").code == 0
    assert rota("user", "remove", "anna", "--yes").code == 4


@pytest.mark.parametrize(("words", "code"), [
    (("user", "add", "anna"), 2), (("user", "add", "anna", "--password-file", "/no/such"), 2),
    (("user", "change", "anna"), 2), (("user", "change", "nobody", "--enable"), 4),
    (("user", "add", "anna", "--role", "king"), 2), (("token", "revoke", "none", "--yes"), 4),
    (("application", "show", "none"), 4), (("application", "remove", "none", "--yes"), 4),
])  # fmt: skip
def test_what_is_wrong_has_its_exit_code(rota: Command, words: tuple[str, ...], code: int) -> None:
    done = rota(*words)
    assert done.code == code, done.err
    assert "Traceback" not in done.err


def test_a_tokens_secret_alone_goes_to_stdout_and_opens_what_its_role_may(rota: Command) -> None:
    secret = rota("token", "add", "grafana").out.strip()
    assert "\n" not in secret
    headers = {"authorization": f"Bearer {secret}"}
    assert rota.world.client.get("/api/v1/me", headers=headers).json()["role"] == "viewer"
    assert rota("token", "revoke", "grafana", "--yes").code == 0
    assert rota.world.client.get("/api/v1/me", headers=headers).status_code == 401


def test_an_application_is_registered_with_its_command(rota: Command) -> None:
    done = rota("application", "register", "heating", "registry:5000/heating:1.4", "--", "run", "--fast")
    assert done.code == 0, done.err
    shown = json.loads(rota("application", "show", "heating", "-o", "json").out)
    assert (shown["image"], shown["command"]) == ("registry:5000/heating:1.4", ["run", "--fast"])
    assert rota("application", "list", "-o", "name").out == "heating\n"
    assert rota("application", "remove", "heating", "--yes").code == 0


def test_the_audit_tells_who_did_it(rota: Command) -> None:
    rota("token", "add", "grafana")
    rota("token", "add", "other")
    (entry,) = listed(rota, "audit", "list", "--target", "grafana")
    assert (entry["actor"], entry["action"]) == ("token:initial", "token.add")


def test_a_node_is_taken_out_only_when_it_is_out_of_use(rota: Command) -> None:
    rota.world.write("put_node", node="m1", at=NOON, log_port=1)
    done = rota("node", "remove", "m1", "--yes")
    assert (done.code, "drain it first" in done.err) == (5, True)
    rota.world.write("set_node_state", node="m1", state="DRAINING")
    rota.world.put_deployment("a.20260302T115900Z.0", node="m1")
    assert rota("node", "remove", "m1", "--yes").code == 5, "a job is on it"
    rota.world.write("end_deployments")
    assert rota("node", "remove", "m1", "--yes").code == 0
    assert rota.world.read("node_requests") == [{"node_id": "m1", "wish": "REMOVED"}]


def test_a_calendar_link_goes_to_stdout_and_is_read_without_a_login_until_revoked(rota: Command) -> None:
    done = rota("token", "add", "phone", "--role", "calendar")
    path = "/api/v1/calendar/" + done.out.strip().rpartition("/")[2]
    assert done.out.startswith("http://127.0.0.1:")
    assert rota.world.client.get(path).text.startswith("BEGIN:VCALENDAR\r\n")
    assert [row["role"] for row in listed(rota, "token", "list") if row["name"] == "phone"] == ["calendar"]
    assert rota("token", "revoke", "phone", "--yes").code == 0
    assert rota.world.client.get(path).status_code == 404
    assert rota("token", "add", "phone", "--instance", "a").code == 2, "a viewer has no instance"

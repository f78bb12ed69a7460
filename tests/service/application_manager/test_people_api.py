"""Users, tokens, applications and the audit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.service.application_manager.bench import NOON, PASSWORD, World, schedule_file

LONG = "a long enough password"


def bearer(world: World, token: str, method: str, path: str, body: object = None) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return world.client.request(method, f"/api/v1{path}", json=body, headers=headers).status_code


def token_of(world: World, role: str) -> str:
    made = world.call("POST", "/tokens", {"name": f"t-{role}", "role": role})
    return str(made.json()["token"])


def log_in(world: World, name: str, password: str) -> int:
    return world.client.post("/api/v1/login", json={"name": name, "password": password}).status_code


@pytest.mark.parametrize(("role", "method", "path", "status"), [
    ("viewer", "GET", "/jobs", 200),
    ("viewer", "POST", "/schedules/a/run", 403),
    ("viewer", "GET", "/users", 403),
    ("operator", "POST", "/schedules/a/run", 202),
    ("operator", "GET", "/audit", 403),
    ("operator", "POST", "/tokens", 403),
    ("admin", "GET", "/audit", 200),
])  # fmt: skip
def test_a_token_opens_what_its_role_may(
    world: World, role: str, method: str, path: str, status: int
) -> None:
    world.apply(schedule_file("a"))
    assert bearer(world, token_of(world, role), method, path) == status


def test_a_tokens_secret_is_shown_once_and_a_revoked_one_opens_nothing(world: World) -> None:
    secret = token_of(world, "viewer")
    assert secret not in str(world.get("/tokens"))
    assert bearer(world, secret, "GET", "/jobs") == 200
    world.call("DELETE", "/tokens/t-viewer")
    assert bearer(world, secret, "GET", "/jobs") == 401
    assert world.call("DELETE", "/tokens/t-viewer").status_code == 404


def test_a_name_is_taken_once(world: World) -> None:
    token_of(world, "viewer")
    again = world.call("POST", "/tokens", {"name": "t-viewer", "role": "admin"})
    assert (again.status_code, again.json()["code"]) == (409, "exists_already")
    user = {"name": "admin", "password": LONG, "role": "viewer"}
    assert world.call("POST", "/users", user).status_code == 409


def test_a_user_logs_in_until_disabled(world: World) -> None:
    user = {"name": "anna", "password": LONG, "role": "operator"}
    assert world.call("POST", "/users", user).status_code == 201
    assert log_in(world, "anna", LONG) == 200
    assert world.client.get("/api/v1/me").json()["role"] == "operator"
    world.call("PATCH", "/users/anna", {"is_disabled": True})
    assert world.client.get("/api/v1/me").status_code == 401
    assert log_in(world, "anna", LONG) == 401
    assert [(u["name"], u["is_disabled"]) for u in world.get("/users")["items"]] == [
        ("admin", False), ("anna", True)
    ]  # fmt: skip


def test_a_short_password_is_refused(world: World) -> None:
    user = {"name": "anna", "password": "short", "role": "operator"}
    assert world.call("POST", "/users", user).status_code == 422


def test_ones_own_password_is_changed_knowing_the_old(world: World) -> None:
    log_in(world, "admin", PASSWORD)
    csrf = world.client.post("/api/v1/login", json={"name": "admin", "password": PASSWORD}).json()
    headers = {"x-csrf-token": csrf["csrf_token"]}
    change = {"old": "wrong", "new": LONG}
    assert world.client.post("/api/v1/me/password", json=change, headers=headers).status_code == 401
    change["old"] = PASSWORD
    assert world.client.post("/api/v1/me/password", json=change, headers=headers).status_code == 200
    assert world.client.get("/api/v1/me").status_code == 401
    assert log_in(world, "admin", LONG) == 200


def test_guesses_at_ones_own_password_wait_as_those_of_a_login_do(world: World) -> None:
    csrf = world.client.post("/api/v1/login", json={"name": "admin", "password": PASSWORD}).json()
    headers = {"x-csrf-token": csrf["csrf_token"]}

    def change(old: str) -> int:
        body = {"old": old, "new": LONG}
        return world.client.post("/api/v1/me/password", json=body, headers=headers).status_code

    assert [change(f"guess {n}") for n in range(5)] == [401, 401, 401, 401, 429]
    assert change(PASSWORD) == 429, "not even the right one is looked at"
    world.clock.advance(timedelta(seconds=2))
    assert change(PASSWORD) == 200
    refused = [e for e in world.get("/audit")["items"] if e["action"] == "password.refused"]
    assert [e["actor"] for e in refused] == ["admin"] * 4
    assert log_in(world, "admin", LONG) == 200, "what was right forgets the failures"


def test_the_list_of_tokens_tells_what_a_calendar_link_shows(world: World) -> None:
    world.apply(schedule_file("a"))
    for name, more in {"one": {"instance": "a"}, "whole": {}}.items():
        world.call("POST", "/tokens", {"name": name, "role": "calendar", **more})
    token_of(world, "viewer")
    shown = {token["name"]: token["shows"] for token in world.get("/tokens")["items"]}
    assert shown == {"initial": None, "one": "instance a", "whole": "all instances", "t-viewer": None}


@pytest.mark.parametrize(("method", "body"), [
    ("DELETE", None), ("PATCH", {"is_disabled": True}), ("PATCH", {"role": "viewer"}),
])  # fmt: skip
def test_the_last_admin_stays(world: World, method: str, body: object) -> None:
    assert world.call(method, "/users/admin", body).status_code == 409
    other = {"name": "anna", "password": LONG, "role": "admin"}
    world.call("POST", "/users", other)
    assert world.call(method, "/users/admin", body).status_code == 200


def test_an_application_gives_its_image_and_command_to_what_is_applied(world: World) -> None:
    application = {"image": "registry/heating:1.4", "command": ["serve"]}
    world.call("PUT", "/applications/heating", application)
    text = schedule_file("a").replace("rota/demo-app:dev", "heating").replace("    command: [run, '1']\n", "")
    world.apply(text)
    assert world.get("/schedules/a")["image"] == "registry/heating:1.4"
    assert world.get("/applications")["items"][0]["command"] == ["serve"]
    world.call("DELETE", "/applications/heating")
    assert world.call("DELETE", "/applications/heating").status_code == 404


def hold(world: World, node: str, name: str, letter: str) -> str:
    """Let a machine hold an image; return its id."""
    content = "sha256:" + letter * 64
    world.write("forget_images", node=node)
    world.write("put_image", node=node, name=name, id=content)
    return content


def test_an_application_is_pinned_to_what_the_machines_hold(world: World) -> None:
    body = {"image": "shop/heating:1"}
    for node in ("m1", "m2"):
        world.write("put_node", node=node, log_port=1, at=NOON)
    done = world.call("PUT", "/applications/heating", body).json()
    assert (done["image"], "no machine" in done["note"]) == ("shop/heating:1", True)
    content = hold(world, "m1", "shop/heating:1", "a")
    done = world.call("PUT", "/applications/heating", body).json()
    assert (done["image"], done["note"]) == (f"shop/heating:1@{content}", None)
    world.apply(schedule_file("a").replace("rota/demo-app:dev", "heating"))
    assert world.get("/schedules/a")["image"] == f"shop/heating:1@{content}"
    hold(world, "m2", "shop/heating:1", "b")
    done = world.call("PUT", "/applications/heating", body).json()
    assert (done["image"], "different contents" in done["note"]) == ("shop/heating:1", True)
    world.write("set_node_state", node="m2", state="LOST")
    assert world.call("PUT", "/applications/heating", body).json()["note"] is None


def test_an_image_named_in_a_file_is_pinned_and_follows_when_it_is_applied_again(world: World) -> None:
    world.write("put_node", node="m1", log_port=1, at=NOON)
    world.apply(schedule_file("a"))
    assert world.get("/schedules/a")["image"] == "rota/demo-app:dev"
    for letter, version in (("a", 2), ("b", 3)):
        content = hold(world, "m1", "rota/demo-app:dev", letter)
        done = world.apply(schedule_file("a")).json()
        assert [(one["version"], one["fields"]) for one in done["changes"]] == [(version, ["image"])]
        assert world.get("/schedules/a")["image"] == f"rota/demo-app:dev@{content}"
    world.write("set_node_state", node="m1", state="LOST")
    assert [one["kind"] for one in world.apply(schedule_file("a")).json()["changes"]] == ["unchanged"]


def test_the_audit_tells_who_did_what_newest_first_in_pages(world: World) -> None:
    world.apply(schedule_file("a"))
    world.call("POST", "/schedules/a/pause", {"reason": "x"})
    world.call("DELETE", "/schedules/a")
    page = world.get("/audit?limit=2")
    assert [(e["action"], e["target"]) for e in page["items"]] == [
        ("instance.delete", "a"), ("instance.pause", "a")
    ]  # fmt: skip
    assert page["items"][1]["detail"] == {"reason": "x"}
    assert page["items"][0]["actor"] == "token:initial"
    rest = world.get(f"/audit?cursor={page['next_cursor']}")
    assert [e["action"] for e in rest["items"]] == ["instance.added"]
    assert len(world.get("/audit?target=a")["items"]) == 3
    assert world.get("/audit?target=b")["items"] == []

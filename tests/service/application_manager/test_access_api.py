"""Who is let in: tokens, sessions, roles, and what slows a guesser down."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from application_manager.api.app import build_app
from application_manager.api.guard import Guard, Open, check_guarded, policy_of, routes_of
from application_manager.domain.access import Role
from common.db import DatabaseUnavailableError
from common.errors import ConfigError
from tests.service.application_manager.bench import PASSWORD, World

OPEN_ROUTES = {"/api/v1/calendar/{link}.ics", "/api/v1/login", "/login", "/api/v1/openapi.json"}


def _nothing() -> None:
    """Answer nothing."""


def log_in(world: World, name: str = "admin", password: str = PASSWORD) -> object:
    return world.client.post("/api/v1/login", json={"name": name, "password": password})


def routes(world: World) -> list[APIRoute]:
    return [route for route in routes_of(world.client.app) if isinstance(route, APIRoute)]  # type: ignore[arg-type]


def test_every_route_says_who_may_call_it(world: World) -> None:
    assert len(routes(world)) > 15
    policies = {route.path: policy_of(route) for route in routes(world)}
    assert all(policies.values())
    opened = {path for path, policy in policies.items() if isinstance(policy, Open)}
    assert opened <= OPEN_ROUTES


def test_an_application_with_an_unguarded_route_is_not_built(world: World) -> None:
    app = build_app(world.parts)
    router = APIRouter()
    router.add_api_route("/api/v1/back-door", _nothing)
    app.include_router(router)
    with pytest.raises(ConfigError, match="back-door"):
        check_guarded(app)


def test_without_a_token_every_guarded_route_is_a_401(world: World) -> None:
    guarded = [route for route in routes(world) if isinstance(policy_of(route), Guard)]
    for route in guarded:
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", "x")
        for method in route.methods:
            answer = world.client.request(method, path)
            assert answer.status_code == 401, (method, path, answer.status_code)


def test_whatever_changes_something_needs_more_than_a_viewer(world: World) -> None:
    harmless = {"/api/v1/schedules/plan", "/api/v1/logout", "/api/v1/me/password", "/upload/plan"}
    for route in routes(world):
        policy = policy_of(route)
        if isinstance(policy, Guard) and route.methods - {"GET"} and route.path not in harmless:
            assert policy.role >= Role.OPERATOR, route.path


def test_a_wrong_token_is_a_401(world: World) -> None:
    answer = world.client.get("/api/v1/me", headers={"authorization": "Bearer nonsense"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_secrets_are_stored_only_as_hashes(world: World) -> None:
    log_in(world)
    files = list(Path(world.server._folder).glob("*"))
    everything = b"".join(file.read_bytes() for file in files)
    cookie = world.client.cookies["rota_session"]
    for secret in (PASSWORD, "token-of-the-first-hour", cookie):
        assert secret.encode() not in everything


def test_a_session_reads_but_changes_only_with_its_csrf_token_and_origin(world: World) -> None:
    token = log_in(world).json()["csrf_token"]
    assert world.client.get("/api/v1/me").json() == {"name": "admin", "role": "admin"}
    path = "/api/v1/schedules/x"
    csrf = {"x-csrf-token": token}
    assert world.client.delete(path).json()["code"] == "csrf"
    foreign = {**csrf, "origin": "http://evil.test"}
    assert world.client.delete(path, headers=foreign).json()["code"] == "foreign_origin"
    ours = {**csrf, "origin": "http://rota.test"}
    assert world.client.delete(path, headers=ours).json()["code"] == "no_such_instance"


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(world: World) -> None:
    flags = log_in(world).headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert "secure" not in flags


def test_a_logged_out_session_opens_nothing(world: World) -> None:
    token = log_in(world).json()["csrf_token"]
    cookie = world.client.cookies["rota_session"]
    assert world.client.post("/api/v1/logout", headers={"x-csrf-token": token}).status_code == 200
    world.client.cookies.set("rota_session", cookie)
    assert world.client.get("/api/v1/me").status_code == 401


def test_a_session_ends_after_twelve_hours(world: World) -> None:
    log_in(world)
    world.clock.advance(timedelta(hours=12, seconds=1))
    assert world.client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(("name", "password"), [("admin", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_look_the_same(
    world: World, name: str, password: str
) -> None:
    answer = log_in(world, name, password)
    assert (answer.status_code, answer.json()["code"]) == (401, "login_refused")


def test_guesses_are_slowed_down_and_the_right_password_waits_too(world: World) -> None:
    for _ in range(4):
        assert log_in(world, password="wrong").status_code == 401
    refused = log_in(world)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    world.clock.advance(timedelta(seconds=2))
    assert log_in(world).status_code == 200


def test_a_browser_without_a_login_is_led_to_it(world: World) -> None:
    answer = world.client.get("/", headers={"accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/")
    assert "Password" in world.client.get("/login").text


def test_the_first_page_lists_instances_jobs_and_nodes(world: World) -> None:
    form = {"name": "admin", "password": PASSWORD}
    refused = world.client.post("/login", data=form, headers={"origin": "http://evil.test"})
    assert refused.status_code == 403
    page = world.client.post("/login", data=form).text
    assert all(word in page for word in ("Instances", "Jobs", "Nodes"))


def test_an_absent_database_is_a_503_with_a_time_to_come_back(world: World) -> None:
    def away(_: object) -> None:
        raise DatabaseUnavailableError

    world.server.hook = away
    answer = world.call("GET", "/jobs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["code"] == "unavailable"


def test_every_answer_carries_the_protecting_headers(world: World) -> None:
    for answer in (world.client.get("/login"), world.call("GET", "/nodes")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["content-security-policy"]

"""`docker compose up --wait` with the committed file becomes healthy on this one machine."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from http.client import HTTPSConnection

import pytest

from tests.support import servers

pytestmark = pytest.mark.patient

STAYING = {"kafka", "mysql", "scheduler", "deployment_manager", "load_balancer", "node_manager",
           "application_manager", "client"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Start it as the head of the file says; everything is gone afterwards."""
    folder = tmp_path_factory.mktemp("compose")
    for image in ("kafka", "mysql", "services"):
        servers.ensure_image(image)
    shutil.copy(servers.REPOSITORY / "docker-compose.yml", folder)
    subprocess.run([sys.executable, "-m", "cli", "platform", "render", "secrets",
                    str(folder / "secrets")], cwd=servers.REPOSITORY, check=True)  # fmt: skip
    try:
        compose(folder, "up", "--wait")
        yield folder
    finally:
        compose(folder, "down", "-v", "--remove-orphans")


def compose(folder, *arguments):
    done = subprocess.run(["docker", "compose", *arguments], cwd=folder, capture_output=True,
                          text=True, check=False, timeout=280)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_everything_that_stays_is_healthy(folder):
    lines = compose(folder, "ps", "--format", "json").splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["Service"] for row in rows if row["Health"] == "healthy"} == STAYING


def test_the_api_answers_and_the_one_machine_is_a_node(folder):
    secrets = folder / "secrets"
    token = (secrets / "api_token.txt").read_text()
    ours = ssl.create_default_context(cafile=secrets / "ca_cert.txt")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        nodes = get("/api/v1/nodes", token, ours)["items"]
        if [node["state"] for node in nodes] == ["ACTIVE"]:
            break
        time.sleep(0.5)
    assert [(node["node"], node["state"]) for node in nodes] == [("here", "ACTIVE")]


def get(path, token, context):
    connection = HTTPSConnection("127.0.0.1", 8443, timeout=5, context=context)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.status == 200
    return json.load(answer)


def test_no_secret_is_seen_in_what_docker_tells(folder):
    ids = compose(folder, "ps", "-aq").split()
    seen = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True,
                          env=os.environ).stdout  # fmt: skip
    kept = json.loads((folder / "secrets" / "secrets.json").read_text())
    assert [name for name, value in kept.items() if value in seen] == []

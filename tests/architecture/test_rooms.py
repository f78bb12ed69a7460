"""Who may import whom: import-linter's contracts in pyproject.toml, kept complete, and kept.

import-linter only accepts modules that are there, so a package that comes must be written into the
contracts; this test says where.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["application_manager", "deployment_manager", "load_balancer", "node_manager",
            "platform_initializer", "scheduler"]
DOCKER_ROOMS = ["node_manager.client", "platform_initializer"]


def exists(module):
    return (ROOT / module.replace(".", "/") / "__init__.py").exists()


def present(modules):
    return {module for module in modules if exists(module)}


def settings():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def contract(identity):
    """Return a contract; an empty one while it is not there."""
    return next((c for c in settings()["contracts"] if c["id"] == identity), {})


def test_every_contract_is_kept():
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_analysed():
    assert set(settings()["root_packages"]) == {"common", *present([*SERVICES, "cli"])}


@pytest.mark.parametrize(("identity", "field", "modules"), [
    ("common-below", "forbidden_modules", [*SERVICES, "cli"]),
    ("services-apart", "modules", SERVICES),
    ("services-no-cli", "source_modules", SERVICES),
    ("door-docker", "allowed_importers", DOCKER_ROOMS),
])
def test_every_package_is_under_contract(identity, field, modules):
    listed = set(contract(identity).get(field, []))
    assert listed == present(modules), f"pyproject.toml, contract {identity}: {field}"


def test_the_exceptions_are_these_and_no_more():
    """The placement's arithmetic; and what a machine needs of its client, as data."""
    assert contract("services-apart")["ignore_imports"] == [
        "deployment_manager.** -> load_balancer.domain",
        "deployment_manager.** -> load_balancer.domain.**",
        "platform_initializer.** -> node_manager.client.install.**",
        "platform_initializer.** -> node_manager.client.domain.container",
        "platform_initializer.** -> node_manager.client.watchdog",
        "platform_initializer.** -> node_manager.client.firewall",
    ]

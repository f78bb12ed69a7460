"""The committed docker-compose.yml is the one-machine plan, and carries no secret."""

import stat
from pathlib import Path

import yaml

from platform_initializer.render import compose_text, write_secrets
from platform_initializer.secret_store import SecretStore

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_file_is_the_plan():
    committed = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert committed == compose_text(), "run: rota platform render compose > docker-compose.yml"


def test_every_service_that_stays_has_a_health_check():
    services = yaml.safe_load(compose_text())["services"]
    ours = {name for name, one in services.items() if one["image"] == "rota/services:dev"}
    tasks = {"migrations", "topics"}
    assert all("healthcheck" in services[name] for name in ours - tasks)
    assert all(services[name]["restart"] == "no" for name in tasks)


def test_nothing_listens_beyond_this_machine():
    for name, service in yaml.safe_load(compose_text())["services"].items():
        assert "ports" not in service, name
        for key, value in service["environment"].items():
            if key.endswith(("_BIND", "_HOST")) and key != "ROTA_MYSQL_ROOT_HOST":
                assert value == "127.0.0.1", (name, key)


def test_every_secret_it_names_is_written_and_only_its_owner_gets_there(tmp_path):
    folder = tmp_path / "secrets"
    write_secrets(folder)
    named = {Path(one["file"]).name for one in yaml.safe_load(compose_text())["secrets"].values()}
    assert named <= {path.name for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_secrets(folder)
    assert again == {path.name: path.read_bytes() for path in folder.iterdir()}
    store = SecretStore(folder / "secrets.json")
    text = compose_text()
    assert not [name for name, value in store.values().items() if value in text]

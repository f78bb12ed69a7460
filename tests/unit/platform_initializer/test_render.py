"""The committed docker-compose.yml is the one-machine plan, and carries no secret."""

import re
import stat
from pathlib import Path

import yaml

from application_manager.mail import mail_of, send_nothing
from common.config import Settings
from platform_initializer.render import compose_text, write_secrets
from platform_initializer.secret_store import SecretStore

MAIL_HOST = "ROTA_MAIL_HOST"  # where letters go, not where anything listens
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
            if key.endswith(("_BIND", "_HOST")) and key not in {"ROTA_MYSQL_ROOT_HOST", MAIL_HOST}:
                assert value == "127.0.0.1", (name, key)


def test_every_secret_it_names_is_written_and_only_its_owner_gets_there(tmp_path):
    folder = tmp_path / "secrets"
    write_secrets(folder)
    (folder / "mail_password.txt").chmod(0o600)
    (folder / "mail_password.txt").write_text("its owner's\n")
    named = {Path(one["file"]).name for one in yaml.safe_load(compose_text())["secrets"].values()}
    assert named <= {path.name for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    write_secrets(folder)
    assert (folder / "mail_password.txt").read_text() == "its owner's\n"
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_secrets(folder)
    assert again == {path.name: path.read_bytes() for path in folder.iterdir()}
    store = SecretStore(folder / "secrets.json")
    text = compose_text()
    assert not [name for name, value in store.values().items() if value in text]


def test_the_mail_server_is_its_owners_to_name_and_none_is_there_unless_named():
    service = yaml.safe_load(compose_text())["services"]["application_manager"]
    written = {key: value for key, value in service["environment"].items() if "_MAIL_" in key}
    unset = {key: re.sub(r"\$\{\w+:-\}", "", value) for key, value in written.items()}
    unset.pop("ROTA_MAIL_PASSWORD_FILE")
    assert mail_of(Settings(unset)) is send_nothing
    named = {**unset, "ROTA_MAIL_HOST": "smtp.test", "ROTA_MAIL_FROM": "rota@test.org"}
    assert mail_of(Settings(named)) is not send_nothing
    assert "mail_password" in {each["target"] for each in service["secrets"]}

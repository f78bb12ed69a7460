"""What is installed on a machine is what the README shows."""

import re
import shlex
from pathlib import Path

import node_manager.client
from node_manager.client.install.run import ClientRun, environment, folders, run_args

RUN = ClientRun(
    image="rota/services:dev", platform="acme", node_id="m1", address="192.0.2.11", docker_gid=105,
    settings={"ROTA_KAFKA_BOOTSTRAP": "192.0.2.10:9092"},
)


def test_the_readme_shows_the_very_argv():
    readme = Path(node_manager.client.__file__).parent.joinpath("README.md").read_text()
    (shown,) = re.findall(r"```sh\n(docker run .*?)```", readme, re.DOTALL)
    assert shlex.split(shown.replace("\\\n", " ")) == run_args(RUN)


def test_secrets_are_files_never_arguments():
    assert not [word for word in run_args(RUN) if "PASSWORD=" in word or "TOKEN=" in word]
    assert environment(RUN)["ROTA_CLIENT_TOKEN_FILE"].startswith("/etc/rota/client/")


def test_it_listens_on_the_address_that_others_reach():
    assert environment(RUN)["ROTA_CLIENT_BIND"] == "192.0.2.11"


def test_settings_of_the_installer_win():
    run = ClientRun(image="i", platform="p", node_id="n", address="a", docker_gid=1,
                    settings={"ROTA_CLIENT_CPUS": "1.5", "ROTA_REPLICA": "x"})
    assert environment(run)["ROTA_REPLICA"] == "x"
    assert "ROTA_CLIENT_CPUS=1.5" in run_args(run)


def test_folders_are_the_clients_own():
    assert {(folder.path, oct(folder.mode), folder.uid) for folder in folders(RUN)} == {
        ("/var/lib/rota/client", "0o700", 10001), ("/etc/rota/client", "0o500", 10001),
        ("/run/rota-client", "0o755", 10001)}

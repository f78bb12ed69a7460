"""Replacing a container on this host's Docker: the new one must get ready, or the old one is back."""

import subprocess
from secrets import token_hex

import pytest

from platform_initializer.domain.container import ContainerSpec
from platform_initializer.errors import MachineError
from platform_initializer.host import Host
from platform_initializer.local import LocalConnection
from platform_initializer.steps.containers import start_container
from tests.support import servers

pytestmark = pytest.mark.patient


@pytest.fixture(scope="module")
def image():
    servers.ensure_image("services")
    return "rota/services:dev"


@pytest.fixture
def place(tmp_path, image):
    """A host, a folder that its services serve, a port, and a name; all gone afterwards."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "readyz").write_text("ok\n")
    served.chmod(0o755)
    one = Place(image, served, servers.free_port(), f"inittest-{token_hex(3)}")
    yield one
    names = [f"rota-{one.name}", f"rota-{one.name}-before"]
    subprocess.run(["docker", "rm", "-f", *names], capture_output=True, check=False)


class Place:
    def __init__(self, image, served, port, name):
        self.image, self.served, self.port, self.name = image, served, port, name
        self.host = Host("here", LocalConnection())

    def spec(self, **changes):
        fields = {
            "service": self.name, "image": self.image, "image_id": self.image,
            "user": "10001:10001", "mounts": (f"{self.served}:/srv:ro",),
            "command": ("http.server", str(self.port), "--bind", "127.0.0.1", "--directory", "/srv"),
        }
        return ContainerSpec(**{**fields, **changes})

    def start(self, spec, seconds=20):
        start_container(self.host, spec, "test", (self.port, seconds))

    def seen(self):
        """Return {name: (state, id)} of what there is."""
        listed = subprocess.run(
            ["docker", "ps", "-a", "--filter", f"name=rota-{self.name}", "--format",
             "{{.Names}} {{.State}} {{.ID}}"], capture_output=True, text=True, check=True)  # fmt: skip
        rows = [line.split() for line in listed.stdout.splitlines()]
        return {name.removeprefix(f"rota-{self.name}"): (state, id_) for name, state, id_ in rows}


def test_the_first_is_started_and_the_next_takes_its_place(place):
    place.start(place.spec())
    first = place.seen()
    place.start(place.spec(memory_mb=128))
    second = place.seen()
    assert list(second) == [""], "what ran before is gone once the new one is ready"
    assert second[""][0] == "running"
    assert second[""][1] != first[""][1]


@pytest.mark.parametrize("bad", [
    {"command": ("no.such.module",)},
    {"mounts": ()},  # it runs and answers, and never says that it is ready
    {"image_id": "rota/no-such-image:1"},
])
def test_one_that_does_not_get_ready_gives_its_place_back(place, bad):
    place.start(place.spec())
    before = place.seen()
    with pytest.raises(MachineError, match="what ran before is back"):
        place.start(place.spec(**bad), seconds=3)
    assert place.seen() == before


def test_a_replacement_cut_short_is_begun_anew(place):
    """The tool was killed after the old one was set aside and before the new one was made."""
    place.start(place.spec())
    name = f"rota-{place.name}"
    subprocess.run(["docker", "stop", name], check=True, capture_output=True)
    subprocess.run(["docker", "rename", name, f"{name}-before"], check=True, capture_output=True)
    place.start(place.spec(memory_mb=128))
    assert {key: state for key, (state, _) in place.seen().items()} == {"": "running"}

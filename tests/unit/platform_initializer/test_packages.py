"""The commands that install Docker, by distribution: golden, so that a change is seen."""

import pytest

from platform_initializer.checks import problems_of
from platform_initializer.domain.facts import Facts, parse_facts
from platform_initializer.domain.packages import as_shell, install_commands
from platform_initializer.errors import Failure
from platform_initializer.host import explain

APT = (
    "dpkg --configure -a && apt-get -q update && apt-get -q -o DPkg::Lock::Timeout=120"
    " install -y --no-install-recommends docker.io"
)
DNF = "dnf -q -y install "
RED_HAT = DNF + "docker-ce docker-ce-cli containerd.io"


@pytest.mark.parametrize(("lines", "golden"), [
    ("os debian 12\npackager apt", APT),
    ("os debian 12\npackager apt\nno_apparmor_parser yes", APT + " apparmor"),
    ("os ubuntu 24.04\nos_like debian\npackager apt", APT),
    ("os fedora 41\npackager dnf", DNF + "moby-engine"),
    ("os nobara 41\nos_like fedora\npackager dnf", DNF + "moby-engine"),
    ("os rhel 9.4\nos_like fedora\npackager dnf", RED_HAT),
    ("os rocky 9.4\nos_like rhel centos fedora\npackager dnf", RED_HAT),
    ("os amzn 2023\nos_like fedora\npackager dnf", DNF + "docker"),
    ("os strange 1\npackager dnf", ""),
    ("os fedora 41", ""),
])  # fmt: skip
def test_the_commands_of_each_distribution(lines, golden):
    assert as_shell(install_commands(parse_facts(lines + "\nend"))) == golden


@pytest.mark.parametrize(("name", "is_refused"), [("fedora 41", False), ("strange 1", True)])
def test_a_machine_without_docker_is_refused_only_where_no_package_is_known(name, is_refused):
    facts = Facts(os=name, packager="dnf", has_systemd=True, memory=4 << 30, disk_free=40 << 30)
    found = [failure.what for failure in problems_of("m1", facts, 0)]
    assert found == (["checking for Docker Engine"] if is_refused else [])


def test_a_package_that_dnf_does_not_find_is_told_with_what_to_do():
    said = "Error: Unable to find a match: docker-ce docker-ce-cli containerd.io"
    told = explain(Failure("m1", "installing Docker Engine", said, "sh", 1, (said,)))
    assert "dnf repolist" in (told.next_step or "")

"""How Docker Engine is installed from the packages of a machine's distribution. Pure.

The family is that of os-release(5): `ID` first, then `ID_LIKE`.
"""

from __future__ import annotations

import shlex

from platform_initializer.domain.facts import Facts

Commands = tuple[tuple[str, ...], ...]


def install_commands(facts: Facts) -> Commands:
    """Return what installs Docker Engine, in order; nothing where we know no way."""
    if facts.packager == "apt":
        return _apt(facts)
    packages = _dnf_packages(facts)
    if facts.packager != "dnf" or not packages:
        return ()
    return (("dnf", "-q", "-y", "install", *packages),)


def as_shell(commands: Commands) -> str:
    """Return a line for POSIX sh that ends with the first command that fails."""
    return " && ".join(shlex.join(command) for command in commands)


def _apt(facts: Facts) -> Commands:
    # where the kernel has AppArmor, Docker refuses to start containers without its parser
    packages = ["docker.io", *(["apparmor"] if facts.lacks_apparmor_parser else [])]
    return (
        ("dpkg", "--configure", "-a"),
        ("apt-get", "-q", "update"),
        ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "install", "-y",
         "--no-install-recommends", *packages),
    )  # fmt: skip


def _dnf_packages(facts: Facts) -> tuple[str, ...]:
    """Fedora and Amazon build Docker themselves; Red Hat's kin have it from Docker's repository."""
    name = facts.os.split(" ")[0]
    if name == "amzn":
        return ("docker",)
    if {name, *facts.os_like} & {"rhel", "centos"}:
        return ("docker-ce", "docker-ce-cli", "containerd.io")
    if "fedora" in {name, *facts.os_like}:
        return ("moby-engine",)
    return ()

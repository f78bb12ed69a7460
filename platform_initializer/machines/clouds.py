"""The clouds that `libcloud` machines come from: EC2 and OpenStack, with what differs in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from common.config import Settings
from common.errors import ConfigError
from platform_initializer.machines.cloud import Cloud
from platform_initializer.machines.pooled import Wanted

Options = Mapping[str, tuple[str, ...]]
PROVIDERS = ("ec2", "openstack")


def cloud_of(options: Options, environment: Mapping[str, str] = os.environ) -> Cloud:
    """Return the cloud that the file names; raise `ConfigError` for what is missing."""
    try:
        import libcloud  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ConfigError(
            "machines of a cloud need Apache Libcloud: pip install 'apache-libcloud>=3.9,<4'"
        ) from error
    settings = Settings(environment)
    user, secret = settings.optional("CLOUD_USER"), settings.secret("CLOUD_SECRET").reveal()
    if not user:
        raise ConfigError("ROTA_CLOUD_USER is not set: the access key (EC2) or user (OpenStack)")
    if options["provider"][0] == "ec2":
        return Ec2(options, user, secret)
    return OpenStack(options, user, secret)


class Ec2:
    """Amazon EC2 and what speaks its API. `size` is an instance type, `network` a subnet's id."""

    def __init__(self, options: Options, user: str, secret: str) -> None:
        from libcloud.compute.drivers.ec2 import EC2NodeDriver

        self._options = options
        self.driver: Any = EC2NodeDriver(
            user, secret, region=_one(options, "region", "us-east-1"), signature_version="4",
            **_endpoint(options),
        )  # fmt: skip

    def tags_of(self, node: Any) -> Mapping[str, str]:
        tags: Mapping[str, str] = node.extra.get("tags", {})
        return tags

    def create(self, wanted: Wanted, told: Mapping[str, Any]) -> None:
        from libcloud.compute.base import NodeImage

        options = self._options
        size = _size(self.driver.list_sizes(), wanted, _one(options, "size"))
        image = NodeImage(options["image"][0], None, self.driver)  # by its id: no need to ask
        chosen: dict[str, Any] = {}
        if subnet := _one(options, "network"):
            chosen["ex_subnet"] = self.driver.ex_list_subnets(subnet_ids=[subnet])[0]
            if groups := list(options.get("security_groups", ())):
                chosen["ex_security_group_ids"] = groups
        elif groups := list(options.get("security_groups", ())):
            chosen["ex_security_groups"] = groups
        self.driver.create_node(
            name=told["name"], size=size, image=image, ex_metadata=told["tags"],
            ex_userdata=told["user_data"], ex_clienttoken=told["token"], **chosen,
        )  # fmt: skip


class OpenStack:
    """OpenStack's Nova. `network` is a network's name or id; a config drive carries the seed."""

    def __init__(self, options: Options, user: str, secret: str) -> None:
        from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver

        self._options = options
        if "endpoint" not in options:
            raise ConfigError("provision.endpoint is missing: Keystone's address for OpenStack")
        self.driver: Any = OpenStack_2_NodeDriver(
            user, secret,
            ex_force_auth_url=options["endpoint"][0], ex_force_auth_version="3.x_password",
            ex_tenant_name=_one(options, "project"),
            ex_domain_name=_one(options, "domain", "Default"),
            ex_force_service_region=_one(options, "region"),
        )  # fmt: skip

    def tags_of(self, node: Any) -> Mapping[str, str]:
        tags: Mapping[str, str] = node.extra.get("metadata", {})
        return tags

    def create(self, wanted: Wanted, told: Mapping[str, Any]) -> None:
        """Ask for one; Nova takes no token, but the tags are in the same request."""
        options = self._options
        chosen: dict[str, Any] = {}
        if network := _one(options, "network"):
            chosen["networks"] = [_named(self.driver.ex_list_networks(), network, "network")]
        if groups := options.get("security_groups", ()):
            there = self.driver.ex_list_security_groups()
            chosen["ex_security_groups"] = [_named(there, g, "security group") for g in groups]
        self.driver.create_node(
            name=told["name"],
            size=_size(self.driver.list_sizes(), wanted, _one(options, "size")),
            image=_named(self.driver.list_images(), options["image"][0], "image"),
            ex_metadata=told["tags"], ex_userdata=told["user_data"], ex_config_drive=True, **chosen,
        )  # fmt: skip


def _size(sizes: Sequence[Any], wanted: Wanted, named: str | None) -> Any:
    """Return the size the file names, else the smallest that has the pool's memory and CPUs."""
    if named:
        return _named(sizes, named, "size")
    memory_mib = wanted.pool.memory >> 20
    fit = [s for s in sizes if s.ram >= memory_mib and _cpus(s) >= wanted.pool.cpus]
    if not fit:
        raise ValueError(f"no size has {wanted.pool.cpus} CPUs and {memory_mib} MiB")
    return min(fit, key=lambda s: (s.ram, _cpus(s), s.id))


def _cpus(size: Any) -> int:
    return int(getattr(size, "vcpus", None) or size.extra.get("vcpu") or size.extra.get("cpu") or 0)


def _named(found: Sequence[Any], wanted: str, what: str) -> Any:
    for one in found:
        if wanted in {one.id, one.name}:
            return one
    known = ", ".join(sorted(str(one.name) for one in found)[:8])
    raise ValueError(f"there is no {what} {wanted!r}; there are {known or 'none'}")


def _one(options: Options, key: str, default: str | None = None) -> str | None:
    return options[key][0] if key in options else default


def _endpoint(options: Options) -> dict[str, Any]:
    """Return where another implementation of EC2's API answers, as Libcloud's arguments."""
    if "endpoint" not in options:
        return {}
    parts = urlsplit(options["endpoint"][0])
    secure = parts.scheme == "https"
    return {"host": parts.hostname, "port": parts.port or (443 if secure else 80), "secure": secure}

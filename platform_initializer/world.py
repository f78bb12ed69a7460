"""Everything a plan is made from, gathered; the steps read it and act through its hosts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from platform_initializer.domain.brokers import assign_seats
from platform_initializer.domain.container import ContainerSpec
from platform_initializer.domain.description import Description
from platform_initializer.domain.facts import Facts
from platform_initializer.domain.placement import Placed, place
from platform_initializer.domain.services import (
    KAFKA_PORT,
    KAFKA_USERS,
    MAIL_PASSWORD,
    MYSQL_USERS,
    POLICY,
    QUORUM_PORT,
    Place,
    Site,
    ca_name,
    container_of,
    secrets_of,
    uid_of,
)
from platform_initializer.host import Host, RemoteFile
from platform_initializer.local_images import OURS, LocalImage
from platform_initializer.machines import Machine
from platform_initializer.secret_store import SecretStore, public_key

SAMPLER_HOME = "/var/lib/rota-sampler"
SAMPLER_PATH = "/usr/local/lib/rota/sampler.sh"
MAP = "/etc/rota/platform.json"
SECRETS = "/etc/rota/secrets"


@dataclass(frozen=True)
class World:
    """One moment: the file, the machines and what is true of them."""

    description: Description
    machines: Mapping[str, Machine]
    hosts: Mapping[str, Host]
    facts: Mapping[str, Facts]
    images: Mapping[str, LocalImage]
    store: SecretStore

    @property
    def names(self) -> list[str]:
        """The machines' names, in the order of the file."""
        return list(self.machines)

    @cached_property
    def _placed(self) -> Sequence[Placed]:
        return place(self.description, self.names, self.facts, self.store.broker_seats())

    def placed(self) -> Sequence[Placed]:
        """Decide which service runs where."""
        return self._placed

    def homes_of(self, service: str) -> list[str]:
        """Name the machines a service runs on."""
        return [placed.machine for placed in self.placed() if placed.service == service]

    def seats(self) -> dict[str, int]:
        """Return each broker's seat by its machine, in the order of the seats."""
        return assign_seats(self.store.broker_seats(), self.homes_of("kafka"))

    def site(self) -> Site:
        """Return what every service has to know."""
        external = self.description.external
        brokers = {seat: self.machines[name].address for name, seat in self.seats().items()}
        voters = [f"{seat}@{address}:{QUORUM_PORT}" for seat, address in brokers.items()]
        return self._with_external(Site(
            platform=self.description.platform,
            kafka=",".join(f"{address}:{KAFKA_PORT}" for address in brokers.values()),
            voters=",".join(voters) if len(voters) > 1 else "",
            mysql="" if "mysql" in external else self.machines[self.homes_of("mysql")[0]].address,
            publish=self.description.publish,
            kafka_cluster_id=self.store.text("kafka_cluster_id"),
            images={name: self.images[reference].image_id for name, reference in OURS.items()},
            app_secrets=tuple(sorted(self.store.app_secrets())),
            has_policy=self.description.policy is not None,
            mail=self.description.mail,
        ))  # fmt: skip

    def _with_external(self, site: Site) -> Site:
        external = self.description.external
        site = replace(site, admins={store: one.user for store, one in external.items()})
        if kafka := external.get("kafka"):
            site = replace(site, kafka=",".join(kafka.addresses))
        if mysql := external.get("mysql"):
            host, port = mysql.host_and_port()
            site = replace(site, mysql=host, mysql_port=int(port))
        return site

    def task_home(self, store: str) -> str:
        """Name the machine on which a store's tasks run: beside it, or the file's first."""
        return (self.homes_of(store) or self.names)[0]

    def container(self, service: str, machine: str) -> ContainerSpec:
        """Describe a service's container on a machine, with the digests of what it reads once."""
        there = self.machines[machine]
        labels = json.dumps(dict(sorted(there.labels.items())))
        place = Place(machine, there.address, labels, self.seats().get(machine, 0))
        spec = container_of(service, self.site(), place)
        files = [(f.path, digest(f.content)) for f in self.secret_files(service)]
        if service == "kafka":  # it reads its users once; later the topics' task tells it of them
            files = [file for file in files if not file[0].endswith("/users")]
            files.append(("administrator", digest(self.store.text("kafka_rota_admin").encode())))
        if service == "node_manager":
            reached = [(name, m.address, m.login.port, m.host_key, m.is_local)
                       for name, m in self.machines.items()]  # fmt: skip
            files.append((MAP, digest(repr(reached).encode())))
        return replace(spec, files=tuple(files))

    def secret_files(self, service: str) -> list[RemoteFile]:
        """Return the files in a service's secrets folder, readable by its user alone."""
        uid = uid_of(service)
        contents = {name: self.store.text(key) for name, key in secrets_of(service).items()}
        if service == "client" and self.description.policy is not None:
            contents[POLICY] = self.description.policy
        contents |= self._external_files(service)
        mail = self.description.mail
        if service == "application_manager" and mail is not None and mail.password is not None:
            contents[MAIL_PASSWORD] = mail.password.reveal()
        return [
            RemoteFile(f"{SECRETS}/{service}/{name}", text.encode(), 0o400, uid)
            for name, text in sorted(contents.items())
        ]

    def _external_files(self, service: str) -> dict[str, str]:
        """Return what a service needs for servers that are not ours; raise `ConfigError`."""
        found: dict[str, str] = {}
        readers = {"kafka": {*KAFKA_USERS, "topics"}, "mysql": {*MYSQL_USERS, "migrations"}}
        admins = {"topics": ("kafka", "kafka_password"), "migrations": ("mysql", "root_password")}
        for store, one in self.description.external.items():
            if service in readers[store]:
                found[ca_name(store)] = one.authority
            if admins.get(service, ("", ""))[0] == store:
                found[admins[service][1]] = self.store.external_password(store)
        return found

    def machines_map(self) -> bytes:
        """Write the map of machines and services that each machine carries."""
        machines = [
            {
                "name": name, "address": machine.address, "ssh_port": machine.login.port,
                "host_key": machine.host_key, "local": machine.is_local,
                "labels": dict(sorted(machine.labels.items())),
                "services": sorted(p.service for p in self.placed() if p.machine == name),
            }
            for name, machine in self.machines.items()
        ]  # fmt: skip
        whole = {"platform": self.description.platform, "machines": machines}
        return (json.dumps(whole, indent=2) + "\n").encode()

    def sampler_public_key(self) -> str:
        return public_key(self.store.text("sampler_key"))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

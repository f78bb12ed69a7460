"""Reads `platform.yml`: a `Description`, or every problem of the file with its line."""

from __future__ import annotations

import re
from pathlib import Path

from common.documents import Checker, Node, Problem, read_document
from common.errors import ConfigError
from platform_initializer.app_policy import policy_text
from platform_initializer.document_mail import read_mail
from platform_initializer.document_provision import Options, read_provision
from platform_initializer.document_stores import check_machines, read_brokers, read_external
from platform_initializer.domain.description import (
    HTTP_PORT,
    SERVICES,
    Description,
    MachineEntry,
    Pool,
    ServiceWish,
    SshLogin,
)

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
ADDRESS = re.compile(r"[A-Za-z0-9.:-]{1,253}")
HOST_KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]{0,254}")
SIZE = re.compile(r"([0-9]{1,6})(MiB|GiB)")
_UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}
_SECONDS = re.compile(r"([0-9]{1,3})s")
_TOP = {
    "version", "platform", "ssh", "machines", "provision", "services", "images", "secrets", "mail",
    "kafka", "mysql",
}  # fmt: skip


class DocumentError(ConfigError):
    """The platform's file has problems; nothing was done."""

    def __init__(self, problems: tuple[Problem, ...], payload: bytes) -> None:
        super().__init__(f"{len(problems)} problems in the platform's file")
        self.problems = problems
        self.payload = payload


def load_description(file: Path) -> Description:
    """Read the file; raise `DocumentError` with all that is wrong, or `OSError`."""
    payload = file.read_bytes()
    return parse_description(payload, str(file), file.resolve().parent)


def parse_description(payload: bytes, name: str, folder: Path) -> Description:
    """Read a file's content; `folder` is what its relative paths start from."""
    document = read_document(payload, name)
    if document.root is None:
        raise DocumentError(document.problems, payload)
    reader = _Reader(name, folder)
    description = reader.read(document.root)
    if reader.checker.problems:
        problems = sorted(reader.checker.problems, key=lambda p: (p.line or 0, p.column or 0))
        raise DocumentError(tuple(problems), payload)
    return description


class _Reader:
    """Builds the description; what is wrong is noted and a stand-in used. One file each."""

    def __init__(self, name: str, folder: Path) -> None:
        self.checker = Checker(name)
        self._folder = folder
        self._names: dict[str, Node] = {}
        self._brokers: int | None = None

    def read(self, root: Node) -> Description:
        top = self.checker.mapping(root, "", known=_TOP, required=("version", "platform"))
        if "version" in top:
            self.checker.integer(top["version"], "version", 1, 1)
        login, parallel, timeout = self._ssh(top.get("ssh"))
        machines = self._machines(top.get("machines"), login)
        driver, options, pools = self._provision(top.get("provision"))
        if not machines and not pools:
            self.checker.add(root, "machines", "missing_key", "no machine is named",
                             hint="give `machines`, or `provision` with a pool")  # fmt: skip
        services, publish = self._services(top.get("services"))
        count = len(machines) + sum(pool.count for pool in pools)
        check_machines(self.checker, root, self._brokers, count)
        apps, policy = self._images(top.get("images"))
        external = read_external(self.checker, top, self._folder)
        mail = read_mail(self.checker, top["mail"], self._folder) if "mail" in top else None
        return Description(
            platform=self._word(top.get("platform"), "platform", NAME) or "platform",
            folder=self._folder,
            store=self._store(top.get("secrets")),
            machines=machines, login=login, driver=driver, options=options, pools=pools,
            services=services, publish=publish, brokers=self._brokers,
            external=external, apps=apps, policy=policy, mail=mail,
            parallel=parallel, connect_timeout_s=timeout,
        )  # fmt: skip

    def _ssh(self, node: Node | None) -> tuple[SshLogin, int, float]:
        if node is None:
            return SshLogin(keys=default_keys()), 30, 10.0
        known = {"user", "port", "keys", "parallel", "connect_timeout"}
        keys = self.checker.mapping(node, "ssh", known=known)
        parallel = 30
        if "parallel" in keys:
            parallel = self.checker.integer(keys["parallel"], "ssh.parallel", 1, 200) or 30
        timeout = 10.0
        if "connect_timeout" in keys:
            text = self._word(keys["connect_timeout"], "ssh.connect_timeout", _SECONDS)
            timeout = float(text[:-1]) if text else timeout
        return self._login(keys, "ssh", SshLogin(keys=default_keys())), parallel, timeout

    def _login(self, keys: dict[str, Node], path: str, default: SshLogin) -> SshLogin:
        user, port, files = default.user, default.port, default.keys
        if "user" in keys:
            user = self.checker.text(keys["user"], f"{path}.user") or user
        if "port" in keys:
            port = self.checker.integer(keys["port"], f"{path}.port", 1, 65535) or port
        if "keys" in keys:
            found = self.checker.items(keys["keys"], f"{path}.keys")
            texts = [self.checker.text(item, where) for item, where in found]
            files = tuple(str(self._path(text)) for text in texts if text)
        return SshLogin(user, port, files)

    def _machines(self, node: Node | None, default: SshLogin) -> tuple[MachineEntry, ...]:
        if node is None:
            return ()
        items = self.checker.items(node, "machines")
        return tuple(self._machine(item, where, default, len(items)) for item, where in items)

    def _machine(self, node: Node, path: str, default: SshLogin, count: int) -> MachineEntry:
        known = {"name", "address", "host_key", "labels", "ssh", "local"}
        keys = self.checker.mapping(node, path, known=known, required=("name",))
        name = self._name(keys.get("name"), f"{path}.name")
        is_local = "local" in keys and bool(self.checker.boolean(keys["local"], f"{path}.local"))
        address = self._word(keys.get("address"), f"{path}.address", ADDRESS)
        if address is None and "address" not in keys:
            if is_local and count == 1:
                address = "127.0.0.1"
            else:
                why = "the others reach it by this" if is_local else "where SSH finds it"
                self.checker.add(node, f"{path}.address", "missing_key",
                                 "'address' is missing", hint=why)  # fmt: skip
        host_key = self._word(keys.get("host_key"), f"{path}.host_key", HOST_KEY)
        login = default
        if "ssh" in keys:
            inner = self.checker.mapping(keys["ssh"], f"{path}.ssh", known={"user", "port", "keys"})
            login = self._login(inner, f"{path}.ssh", default)
        labels = self._labels(keys.get("labels"), f"{path}.labels")
        return MachineEntry(name, address or "", login, host_key, labels, is_local)

    def _provision(self, node: Node | None) -> tuple[str, Options, tuple[Pool, ...]]:
        if node is None:
            return "static", {}, ()
        driver, options, keys = read_provision(self.checker, node, self._folder)
        pools = self.checker.items(keys["pools"], "provision.pools") if "pools" in keys else []
        return driver, options, tuple(self._pool(item, where) for item, where in pools)

    def _pool(self, node: Node, path: str) -> Pool:
        known = {"name", "count", "cpus", "memory", "labels"}
        keys = self.checker.mapping(node, path, known=known, required=("name", "count"))
        name = self._word(keys.get("name"), f"{path}.name", NAME) or "pool"
        count, cpus = 1, 2
        if "count" in keys:
            count = self.checker.integer(keys["count"], f"{path}.count", 1, 500) or 1
        if "cpus" in keys:
            cpus = self.checker.integer(keys["cpus"], f"{path}.cpus", 1, 512) or 2
        memory = 4 << 30
        if "memory" in keys and (text := self._word(keys["memory"], f"{path}.memory", SIZE)):
            number, unit = SIZE.fullmatch(text).groups()  # type: ignore[union-attr]
            memory = int(number) * _UNITS[unit]
        pool = Pool(name, count, cpus, memory, self._labels(keys.get("labels"), f"{path}.labels"))
        for machine in pool.machine_names() if "name" in keys else ():
            self._claim(machine, keys["name"], f"{path}.name")
        return pool

    def _services(self, node: Node | None) -> tuple[dict[str, ServiceWish], int]:
        if node is None:
            return {}, HTTP_PORT
        keys = self.checker.mapping(node, "services", known=SERVICES)
        wishes, publish = {}, HTTP_PORT
        for service, value in keys.items():
            path = f"services.{service}"
            known = {"on", "replicas"}
            if service == "application_manager":
                known.add("publish")
            inner = self.checker.mapping(value, path, known=known)
            wishes[service] = self._wish(service, inner)
            if "publish" in inner:
                port = self.checker.integer(inner["publish"], f"{path}.publish", 1, 65535)
                publish = port or publish
        return wishes, publish

    def _wish(self, service: str, keys: dict[str, Node]) -> ServiceWish:
        path = f"services.{service}"
        on = self.checker.items(keys["on"], f"{path}.on") if "on" in keys else []
        machines = tuple(self._known_machine(item, where) for item, where in on)
        if service == "kafka":
            self._brokers = read_brokers(self.checker, keys, machines)
            return ServiceWish(machines, max(1, len(machines)))
        most = 5 if service in {"scheduler", "deployment_manager"} else 1
        replicas = max(1, len(machines))
        if "replicas" in keys:
            replicas = self.checker.integer(keys["replicas"], f"{path}.replicas", 1, most) or 1
        if len(machines) > most:
            self.checker.add(keys["on"], f"{path}.on", "too_many", f"there can be {most} of it",
                             hint="name one machine")  # fmt: skip
        elif machines and replicas > len(machines):
            message = f"it is pinned to {len(machines)} machines"
            self.checker.add(keys["replicas"], f"{path}.replicas", "too_many", message,
                             hint="name as many under `on`")  # fmt: skip
        return ServiceWish(machines, replicas)

    def _known_machine(self, node: Node, path: str) -> str:
        return self.checker.choice(node, path, list(self._names)) or ""

    def _images(self, node: Node | None) -> tuple[tuple[str, ...], str | None]:
        if node is None:
            return (), None
        keys = self.checker.mapping(node, "images", known={"apps", "policy"})
        items = self.checker.items(keys["apps"], "images.apps") if "apps" in keys else []
        apps = tuple(self._word(item, where, IMAGE) or "" for item, where in items)
        return apps, self._policy(keys["policy"]) if "policy" in keys else None

    def _policy(self, node: Node) -> str | None:
        text = self.checker.text(node, "images.policy")
        try:
            return policy_text(self._path(text)) if text else None
        except ConfigError as error:
            self.checker.add(node, "images.policy", "bad_policy", str(error),
                             hint="its form: node_manager/client/README.md")  # fmt: skip
            return None

    def _store(self, node: Node | None) -> Path:
        text: str | None = "./secrets.json"
        if node is not None:
            keys = self.checker.mapping(node, "secrets", known={"store"})
            text = self.checker.text(keys["store"], "secrets.store") if "store" in keys else text
        return self._path(text or "./secrets.json")

    def _labels(self, node: Node | None, path: str) -> dict[str, str]:
        if node is None:
            return {}
        keys = self.checker.mapping(node, path)
        texts = {
            key: self.checker.text(value, f"{path}.{key}", any_scalar=True)
            for key, value in keys.items()
        }
        return {key: text for key, text in texts.items() if text is not None}

    def _name(self, node: Node | None, path: str) -> str:
        name = self._word(node, path, NAME) or ""
        if node is not None and name:
            self._claim(name, node, path)
        return name

    def _claim(self, name: str, node: Node, path: str) -> None:
        if name in self._names:
            self.checker.add(node, path, "duplicate_name", f"machine {name!r} is there twice",
                             hint=f"first on line {self._names[name].line}")  # fmt: skip
        self._names[name] = node

    def _word(self, node: Node | None, path: str, form: re.Pattern[str]) -> str | None:
        if node is None:
            return None
        text = self.checker.text(node, path)
        if text is not None and not form.fullmatch(text):
            self.checker.add(node, path, "bad_value", f"{text!r} cannot be read here",
                             hint=_FORMS[form])  # fmt: skip
            return None
        return text

    def _path(self, text: str) -> Path:
        return (self._folder / Path(text).expanduser()).absolute()


_FORMS = {
    NAME: "small letters, digits and -, at most 40",
    ADDRESS: "an IP address or a host name",
    HOST_KEY: 'like "SHA256:" and 43 characters, as `ssh-keygen -lf` prints it',
    IMAGE: "an image's name like `shop/heating:1.4`",
    SIZE: "like 512MiB or 4GiB",
    _SECONDS: "like 10s",
}


def default_keys() -> tuple[str, ...]:
    """Return the keys `ssh` itself would offer, those that are there."""
    names = ("id_ed25519", "id_ecdsa", "id_rsa")
    files = [Path("~/.ssh").expanduser() / name for name in names]
    return tuple(str(file) for file in files if file.exists())

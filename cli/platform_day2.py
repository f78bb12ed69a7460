"""`rota platform`, after the first day: doctor, logs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.options import Output, Yes, confirm
from cli.output import Column, Format, print_rows
from cli.platform_errors import translated
from cli.platform_file import File, described
from cli.platform_run import bring_up
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.up import Wishes

if TYPE_CHECKING:
    from common.secret import Secret
    from platform_initializer.domain.findings import Finding

_FINDINGS = tuple(
    Column(key, key) for key in ("code", "severity", "machine", "title", "evidence", "fix")
)
_REVISIONS = tuple(Column(key, key) for key in ("number", "at", "changes", "images"))


class Store(StrEnum):
    """What may be a server of the operator's."""

    KAFKA = "kafka"
    MYSQL = "mysql"


secrets = typer.Typer(no_args_is_help=True, help="Passwords and keys; secrets of apps.")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(doctor)
    app.command()(logs)
    app.command()(revisions)
    app.command()(rollback)
    secrets.command("rotate")(rotate)
    for verb, name in ((set_secret, "set"), (remove_secret, "remove"), (list_secrets, "list")):
        secrets.command(name)(verb)
    secrets.command("external")(keep_external)
    app.add_typer(secrets, name="secrets")


def doctor(file: File = None, output: Output = Format.TABLE) -> None:
    """Look for what is wrong, on every machine, and tell the fix; changes nothing.

    Exits 1 when there is an error. Example: rota platform doctor -f platform.yml
    """
    from common.clock import SystemClock
    from platform_initializer.doctor import diagnose

    with translated():
        found = diagnose(described(file), ParamikoDoor(), SystemClock())
    if output is Format.TABLE:
        print(*told(found.findings), sep="\n", end="\n" if found.findings else "")
    else:
        print_rows([vars(one) for one in found.findings], _FINDINGS, output, "code")
    errors = sum(one.severity == "error" for one in found.findings)
    print(f"{found.checks} checks on {found.machines} machines: {errors} errors, "
          f"{len(found.findings) - errors} warnings", file=sys.stderr)  # fmt: skip
    if errors:
        raise typer.Exit(ExitCode.UNEXPECTED)


def told(findings: Sequence[Finding]) -> Iterator[str]:
    """Tell findings for a person; what is alike on several machines is told once."""
    for (code, severity, title, why, fix), alike in groupby(
        findings, lambda one: (one.code, one.severity, one.title, one.why, one.fix)
    ):
        where: dict[str, list[str]] = {}
        for one in alike:
            where.setdefault(one.evidence, []).append(one.machine)
        names = sorted({name for some in where.values() for name in some})
        yield f"{code} {severity}: {', '.join(names)}: {title}"
        for evidence, some in where.items():
            yield f"    seen: {evidence}" + (f" ({', '.join(some)})" if len(where) > 1 else "")
        yield f"    why:  {why}"
        yield f"    fix:  {fix}"


def rotate(file: File = None, yes: Yes = False) -> None:
    """Make new passwords and keys for all services and bring them to the machines.

    Each service is restarted once; apps go on running. Example: rota platform secrets rotate --yes
    """
    from platform_initializer.secret_store import SecretStore

    with translated():
        description = described(file)
        confirm(f"Rotate all secrets of {description.platform}, restarting its services?", yes=yes)
        names = SecretStore(description.store).rotate()
    result = bring_up(description, Wishes("secrets rotate"))
    print(f"{len(names)} secrets are new, {result.steps_done} changes, {result.seconds:.0f} s",
          file=sys.stderr)  # fmt: skip


Name = Annotated[str, typer.Argument(help="the secret's name, as schedule files say it")]


def set_secret(name: Name, file: File = None) -> None:
    """Keep a secret of apps, read from stdin; `rota platform up` brings it to the machines.

    An app that names it finds it as /run/secrets/NAME. Example:
    rota platform secrets set db-password < password.txt
    """
    from common.secret import Secret

    value = _from_stdin(f"the value of {name}", f"set {name}")
    _keep(name, Secret(value), file)


def keep_external(
    store: Annotated[Store, typer.Argument(help="kafka or mysql")], file: File = None
) -> None:
    """Keep the password for a Kafka or MySQL that is a server of yours, read from stdin.

    Its user is the one that the file names. Example:
    rota platform secrets external kafka < password.txt
    """
    from platform_initializer.secret_store import SecretStore

    value = _from_stdin(f"the password for {store}", f"external {store}")
    with translated():
        kept = SecretStore(described(file).store)
        kept.complete()
        kept.change({f"external_{store}": value}, ())
    print(f"the password for {store} is kept; next: rota platform up", file=sys.stderr)


def remove_secret(name: Name, file: File = None) -> None:
    """Forget a secret of apps; `rota platform up` takes it off the machines."""
    _keep(name, None, file)


def list_secrets(file: File = None, output: Output = Format.TABLE) -> None:
    """Name the secrets of apps; their values are not told."""
    from platform_initializer.secret_store import SecretStore

    with translated():
        names = sorted(SecretStore(described(file).store).app_secrets())
    print_rows([{"name": name} for name in names], (Column("name", "name"),), output, "name")


def _keep(name: str, value: Secret | None, file: File) -> None:
    from platform_initializer.secret_store import SecretStore

    with translated():
        SecretStore(described(file).store).set_app_secret(name, value)
    done = "forgotten" if value is None else "kept"
    print(f"{name} is {done}; next: rota platform up", file=sys.stderr)


def revisions(file: File = None, output: Output = Format.TABLE) -> None:
    """List the states that `up` reached, the last one last."""
    from platform_initializer.revisions import Revisions

    with translated():
        found = Revisions(described(file).store).all()
    print_rows([vars(one) for one in found], _REVISIONS, output, "number")


def rollback(
    file: File = None,
    to: Annotated[int | None, typer.Option(help="its number; else the last other image")] = None,
    yes: Yes = False,
) -> None:
    """Let the services run an earlier image again; data stores are never downgraded.

    Example: rota platform rollback --to 3
    """
    from platform_initializer.local_images import OURS
    from platform_initializer.revisions import Revisions

    with translated():
        description = described(file)
        target = Revisions(description.store).target(to)
        confirm(f"Go back to revision {target.number} of {target.at}?", yes=yes)
    result = bring_up(description, Wishes("rollback", target.images[OURS["services"]]))
    print(f"revision {target.number} runs again: {result.steps_done} changes; the next `up` brings"
          " the newest image back", file=sys.stderr)  # fmt: skip


def logs(
    service: Annotated[str, typer.Argument(help="like scheduler, kafka or client")],
    file: File = None,
    follow: Annotated[bool, typer.Option("--follow", "-F", help="go on as lines come")] = False,
    tail: Annotated[int, typer.Option(min=1, max=100_000, help="how many lines")] = 100,
) -> None:
    """Show a service's log from all its machines, in the order of time.

    Example: rota platform logs scheduler --tail 20 -F
    """
    from platform_initializer.service_logs import LogsOf

    with translated(), LogsOf(described(file), ParamikoDoor(), service) as found:
        if not found.machines():
            raise CliError(f"{service} runs on no machine", next_command="rota platform status",
                           exit_code=ExitCode.NOT_FOUND)  # fmt: skip
        for line in found.follow(tail) if follow else found.last(tail):
            print(line, flush=follow)


def _from_stdin(what: str, verb: str) -> str:
    """Read a secret, without the end of its line; nothing is a usage error."""
    value = sys.stdin.read().removesuffix("\n")
    if not value:
        raise CliError(
            "there is nothing on stdin", why=f"{what} is read from it",
            next_command=f"rota platform secrets {verb} < FILE", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return value

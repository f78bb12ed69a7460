"""The data of MySQL out to a backup, and back in between MySQL's start and that of all others."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.errors import ConfigError
from platform_initializer.domain.description import Description
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.host import Host
from platform_initializer.world import World

TIMEOUT_S = 1800.0
# Run in MySQL's container. The password is never an argument: the client reads it from a pipe.
_LOGIN = """\
set -euo pipefail
password=$(head -n 1 /run/secrets/root_password)
login() { printf '[client]\\nuser=root\\npassword=%s\\n' "$password"; }
socket=--socket=/run/mysqld/mysqld.sock
ours() {
    mysql --defaults-extra-file=<(login) $socket -N \\
        -e "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'rota\\_%'"
}
"""
# One transaction reads all databases: together they are one moment.
_DUMP = _LOGIN + """\
databases=$(ours)
[ -n "$databases" ] || { echo "there is no database of ours" >&2; exit 1; }
mysqldump --defaults-extra-file=<(login) $socket --single-transaction --quick --hex-blob \\
    --no-tablespaces --set-gtid-purged=OFF --column-statistics=0 \\
    --default-character-set=utf8mb4 --databases $databases | gzip -c | base64 -w 0
"""
_LOAD = _LOGIN + "gunzip -c | mysql --defaults-extra-file=<(login) $socket"
_LIST = _LOGIN + "ours | tr '\\n' ' '"
# Begun and cut short, it is begun anew; data that it did not bring itself is never touched.
_RESTORE = """\
set -eu
id=$1 list=$2 load=$3 stamps=/var/lib/rota/stamps
if [ "$(cat $stamps/restored 2> /dev/null)" = "$id" ]; then cat > /dev/null; exit 0; fi
if [ "$(cat $stamps/restoring 2> /dev/null)" != "$id" ]; then
    there=$(docker exec rota-mysql bash -c "$list")
    if [ -n "$there" ]; then
        cat > /dev/null
        echo "this MySQL holds data already: $there" >&2
        exit 1
    fi
    printf '%s\\n' "$id" > $stamps/.restoring
    mv -f $stamps/.restoring $stamps/restoring
fi
docker exec -i rota-mysql bash -c "$load"
mv -f $stamps/restoring $stamps/restored
"""


@dataclass(frozen=True)
class Dump:
    """All databases at one moment: SQL, compressed. `archive_id` tells one backup from another."""

    archive_id: str
    made_at: str
    content: bytes


def refuse_external(description: Description) -> None:
    """Raise `ConfigError` where MySQL is the operator's: its data is not ours to replace."""
    if "mysql" in description.external:
        raise ConfigError("MySQL is a server of yours: back up and restore its databases rota_*"
                          " there, and keep the secret store beside them")  # fmt: skip


def dump_from(host: Host) -> bytes:
    """Return the compressed SQL of all our databases there; raise `MachineError`."""
    script = 'exec docker exec rota-mysql bash -c "$1"'
    said = host.script("dumping the databases", script, _DUMP, timeout_s=TIMEOUT_S)
    try:
        return base64.b64decode(said, validate=True)
    except binascii.Error as error:
        raise MachineError(Failure(
            host.name, "dumping the databases", "what arrived is not whole",
            next_step="see that the machine is up, then run the same command again",
        )) from error  # fmt: skip


def bring_back(world: World, steps: Sequence[Step], dump: Dump) -> list[Step]:
    """Add the step that loads a dump: after MySQL, before the databases are brought up to date."""
    refuse_external(world.description)
    home = world.homes_of("mysql")[0]
    host = world.hosts[home]

    def run() -> None:
        host.script("bringing the data back", _RESTORE, dump.archive_id, _LIST, _LOAD,
                    stdin=dump.content, timeout_s=TIMEOUT_S)  # fmt: skip

    after = frozenset({f"mysql@{home}", f"files@{home}"})
    step = Step("restore", home, Phase.SETUP, "bring the data back", f"from {dump.made_at}", run,
                after, Risk.DATA)  # fmt: skip
    waiting = [replace(s, after=s.after | {step.key}) if s.key == "databases" else s
               for s in steps]  # fmt: skip
    return [step, *waiting]

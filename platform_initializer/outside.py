"""Asks servers of yours whether they are fit: ``... -m platform_initializer.outside kafka|mysql``.

Changes nothing. Run in a container on a machine, before topics or databases are made there and by
the doctor. Prints what is lacking, a line each, and returns 1.
"""

from __future__ import annotations

import os
import sys

from common.bus.kafka import KafkaBus
from common.config import Settings
from common.db.migrate import grants_of
from common.errors import RotaError
from platform_initializer.domain.external import missing_on_cluster, missing_on_server


def main() -> int:
    """Ask the one that is named."""
    settings = Settings(os.environ)
    try:
        lacking = _kafka(settings) if sys.argv[1] == "kafka" else _mysql(settings)
    except RotaError as error:
        lacking = [str(error)]
    for line in lacking:
        print(line, file=sys.stderr)
    return 1 if lacking else 0


def _kafka(settings: Settings) -> list[str]:
    config = settings.kafka()
    bus = KafkaBus(config, "initializer")
    try:
        return missing_on_cluster(config.user or "nobody", bus.allowed_on_cluster())
    finally:
        bus.close()


def _mysql(settings: Settings) -> list[str]:
    admin = settings.mysql(section="MYSQL_ADMIN")
    return missing_on_server(admin.user, grants_of(admin))


if __name__ == "__main__":
    sys.exit(main())

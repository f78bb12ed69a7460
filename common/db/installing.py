"""What a service's migration script does: its database, its tables, its user; told in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from common.config import Settings
from common.db.migrate import ensure_user, migrate
from common.errors import ConfigError, RotaError

EXIT_FAILED = 1
EXIT_CONFIG = 78


@dataclass(frozen=True)
class ServiceDatabase:
    """One service's database. The user has the database's name.

    `package` holds the migrations; `password` names the setting of the user's password
    (``APP_PASSWORD``): where it is not set, no user is made.
    """

    name: str
    package: str
    password: str
    grants: Sequence[str]

    def install(self) -> int:
        """Bring all of it up to date; return the exit code: 0, 78 for bad settings, 1."""
        settings = Settings(os.environ)
        try:
            admin = settings.mysql(section="MYSQL_ADMIN")
            applied = migrate(admin, self.name, self.package)
            absent: list[str] = []
            if settings.optional(self.password):
                password = settings.secret(self.password)
                absent = ensure_user(admin, self.name, password, self.grants)
        except ConfigError as error:
            print(f"{self.package}: {error}", file=sys.stderr)
            return EXIT_CONFIG
        except RotaError as error:
            print(f"{self.name} could not be brought up to date: {error}", file=sys.stderr)
            return EXIT_FAILED
        print(f"{self.name}: {', '.join(applied) if applied else 'up to date'}")
        for table in absent:
            owner = f"the migrations that make {table.partition('.')[0]}"
            print(f"{self.name} may not read {table} yet: it is not there; run {owner}, then this")
        return 0

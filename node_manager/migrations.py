"""Creates the node manager's database, its tables and its user; run it as often as you like.

``python node_manager/migrations.py`` with ROTA_MYSQL_HOST, ROTA_MYSQL_ADMIN_USER,
ROTA_MYSQL_ADMIN_PASSWORD_FILE and, for the service's user, ROTA_NODES_PASSWORD_FILE.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":  # run as a file: import from the repository, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.config import Settings
from common.db.migrate import ensure_user, migrate
from common.errors import ConfigError, RotaError

DATABASE = "rota_nodes"
USER = "rota_nodes"
GRANTS = (f"SELECT, INSERT, UPDATE, DELETE ON {DATABASE}.*", "SELECT ON rota_app.*")


def main() -> int:
    """Bring the database up to date; 0, or 78 for bad settings, or 1."""
    settings = Settings(os.environ)
    try:
        admin = settings.mysql(section="MYSQL_ADMIN")
        applied = migrate(admin, DATABASE, "node_manager")
        if settings.optional("NODES_PASSWORD"):
            ensure_user(admin, USER, settings.secret("NODES_PASSWORD"), GRANTS)
    except ConfigError as error:
        print(f"node_manager: {error}", file=sys.stderr)
        return 78
    except RotaError as error:
        print(f"node_manager: {DATABASE} could not be brought up to date: {error}", file=sys.stderr)
        return 1
    print(f"{DATABASE}: {', '.join(applied) if applied else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

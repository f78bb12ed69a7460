"""Creates the scheduler's database, its tables and its user; run it as often as you like.

``python scheduler/schedulerInit.py`` with ROTA_MYSQL_HOST, ROTA_MYSQL_ADMIN_USER,
ROTA_MYSQL_ADMIN_PASSWORD_FILE and, for the service's user, ROTA_SCHEDULER_PASSWORD_FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # run as a file: import from the repository, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.db.installing import ServiceDatabase

DATABASE = "rota_scheduler"
READ = (  # never the users, their sessions or tokens
    "rota_app.instances", "rota_app.versions", "rota_app.pauses", "rota_app.job_requests",
)  # fmt: skip
GRANTS = (
    f"SELECT, INSERT, UPDATE, DELETE ON {DATABASE}.*",
    *(f"SELECT ON {table}" for table in READ),
)

SERVICE = ServiceDatabase(DATABASE, "scheduler", "SCHEDULER_PASSWORD", GRANTS)


if __name__ == "__main__":
    sys.exit(SERVICE.install())

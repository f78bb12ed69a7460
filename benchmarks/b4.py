"""B4, ingest: so many instances as JSON, until all are validated, durable and known to the agenda.

Validated means: read into the typed spec and compiled to a calendar, as the scheduler does for what
the application manager has stored. The limit is LOAD DATA of the rows that come of it.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import mysql.connector

from benchmarks.rig import Rig, new_rig, now, result, say, specs
from common.db.mysql import MySqlDatabase
from common.db.queries import parse_queries
from common.jobs import shard_of
from common.schedule import spec_to_json

_APP = parse_queries("""
-- name: put
INSERT INTO rota_app.instances (instance_id, version, spec, image, command, paused, deleted,
  applied_at, updated_at)
VALUES (%(id)s, 1, %(spec)s, 'registry/app:1.4', '["python", "-m", "app"]', FALSE, FALSE, %(at)s,
  %(at)s);
""")
_LOAD = (
    "LOAD DATA LOCAL INFILE '{file}' INTO TABLE loaded FIELDS TERMINATED BY '\\t' "
    "(instance_id, shard, version, spec, image, command, state, priority, next_due, next_stop, "
    "applied_at, updated_at)"
)


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Return instances taken a second."""
    del seconds
    figures: dict[str, Any] = {"ours": [], "limit": [], "unit": "instances/s"}
    for _ in range(runs):
        with new_rig() as rig:
            figures["limit"].append(_loaded_a_second(rig, size))
            figures["ours"].append(_taken_a_second(rig, size))
    return result("b4", size, figures)


def _taken_a_second(rig: Rig, size: int) -> float:
    app = MySqlDatabase(rig.ledger._config, _APP)  # noqa: SLF001 - the same server
    first = (now() + timedelta(hours=1)).replace(microsecond=0)
    rows = []
    for spec in specs(size, first, 86400):
        rows.append({"id": spec.id, "spec": spec_to_json(spec), "at": now()})
        if len(rows) == 10_000:
            _put(app, rows)
            rows = []
    _put(app, rows)
    app.close()
    rig.start()
    rig.wait_held("one", 16)
    began = time.monotonic()
    already = rig.count("count_schedules")
    while rig.count("count_schedules") < size:
        time.sleep(0.25)
    rate = (size - already) / (time.monotonic() - began)
    say(f"ours: {rate:,.0f} instances/s")
    return rate


def _put(app: MySqlDatabase, rows: list[dict[str, Any]]) -> None:
    with app.transaction() as transaction:
        transaction.execute_many("put", rows)


def _loaded_a_second(rig: Rig, size: int) -> float:
    server = rig.mysql
    file = Path(rig.folder) / "rows.tsv"
    first = (now() + timedelta(hours=1)).replace(microsecond=0)
    due = first.strftime("%Y-%m-%d %H:%M:%S")
    with file.open("w", encoding="utf-8") as out:
        for spec in specs(size, first, 86400):
            text = spec_to_json(spec).replace("\\", "\\\\")
            command = json.dumps(["python", "-m", "app"])
            out.write(f"{spec.id}\t{shard_of(spec.id)}\t1\t{text}\tregistry/app:1.4\t{command}\t"
                      f"active\t50\t{due}\t{due}\t{due}\t{due}\n")  # fmt: skip
    connection = mysql.connector.connect(
        host=server.host, port=server.port, user=server.user, password=server.password,
        database="rota_scheduler", allow_local_infile=True, autocommit=True,
    )  # fmt: skip
    cursor = connection.cursor()
    cursor.execute("SET GLOBAL local_infile = 1")
    cursor.execute("CREATE TABLE loaded LIKE schedules")
    began = time.perf_counter()
    cursor.execute(_LOAD.format(file=file))
    rate = size / (time.perf_counter() - began)
    cursor.execute("DROP TABLE loaded")
    connection.close()
    say(f"LOAD DATA: {rate:,.0f} rows/s")
    return rate

"""The deployment manager's database in memory: each query of its queries.sql by name.

Transactions are serial (one lock, as the fence makes them) and roll back. `fail` lets a commit be
refused, or be done though the caller is told otherwise.
"""

import copy
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from common.db import DatabaseUnavailableError, DuplicateKeyError

LIVE = {"PENDING", "STARTING", "RUNNING", "STOPPING", "UNKNOWN"}
PLACED = LIVE - {"PENDING"}
DEFAULTS = {
    "epoch": 0, "node": None, "command": None, "desired_stop": None, "reason": None,
    "detail": None, "exit_code": None, "node_load": None, "placed_at": None, "started_at": None,
    "ended_at": None, "why_not": None, "explanation": None, "kill_failed": 0, "stops_sent": 0,
    "is_commanded": 0, "is_moving": 0, "avoid": None, "told_revision": 0,
}  # fmt: skip


class MemoryDeployerDatabase:
    def __init__(self, clock):
        self.clock = clock
        self.tables = {"deployments": {}, "reservations": {}, "cordons": {},
                       "leader": {"owner": "", "epoch": 0, "expires_at": datetime(2000, 1, 1, tzinfo=UTC)}}
        self.commits = 0
        self.fail = None  # "before": nothing is written; "after": it is, and the caller is told not
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self):
        with self._lock:
            saved = copy.deepcopy(self.tables)
            try:
                yield MemoryDeployerTransaction(self)
                fail, self.fail = self.fail, None
                if fail == "before":
                    raise DatabaseUnavailableError
            except BaseException:
                self.tables = saved
                raise
            self.commits += 1
            if fail == "after":
                raise DatabaseUnavailableError

    def row(self, job_id, attempt=1):
        return self.tables["deployments"][job_id, attempt]

    def ping(self):
        pass

    def close(self):
        pass


class MemoryDeployerTransaction:
    def __init__(self, database):
        self._tables = database.tables
        self._now = database.clock.now()

    def execute(self, query, /, **p):
        return getattr(self, f"_do_{query}")(**p)

    def execute_many(self, query, rows):
        for row in rows:
            getattr(self, f"_many_{query}")(**row)
        return len(rows)

    def all(self, query, /, **p):
        return copy.deepcopy(list(getattr(self, f"_all_{query}")(**p)))

    def one(self, query, /, **p):
        rows = self.all(query, **p)
        return rows[0] if rows else None

    @property
    def _rows(self):
        return self._tables["deployments"].values()

    def _do_lead(self, owner, is_new, ttl_s):
        leader = self._tables["leader"]
        if leader["owner"] != owner and leader["expires_at"] >= self._now:
            return 0
        leader["epoch"] += 0 if leader["owner"] == owner and not is_new else 1
        leader |= {"owner": owner, "expires_at": self._now + timedelta(seconds=ttl_s)}
        return 1

    def _all_leader(self):
        return [self._tables["leader"]]

    def _do_fence(self, owner, epoch, ttl_s):
        leader = self._tables["leader"]
        if (leader["owner"], leader["epoch"]) != (owner, epoch):
            return 0
        leader["expires_at"] = self._now + timedelta(seconds=ttl_s)
        return 1

    def _do_stop_leading(self, owner, epoch):
        leader = self._tables["leader"]
        if (leader["owner"], leader["epoch"]) == (owner, epoch):
            leader["expires_at"] = datetime(2000, 1, 1, tzinfo=UTC)

    def _all_attempts_of(self, jobs):
        return [row for row in self._rows if row["job_id"] in jobs]

    def _all_live_deployments(self):
        return [row for row in self._rows if row["state"] in LIVE]

    def _all_untold(self):
        return [row for row in self._rows
                if row["state"] not in LIVE and row["revision"] > row["told_revision"]]

    def _many_insert_deployments(self, now, **row):
        key = row["job_id"], row["attempt"]
        if key in self._tables["deployments"]:
            raise DuplicateKeyError
        self._tables["deployments"][key] = DEFAULTS | row | {"updated_at": now}

    def _many_update_deployments(self, now, **row):
        self._tables["deployments"][row["job_id"], row["attempt"]] |= row | {"updated_at": now}

    def _do_mark_told(self, jobs, attempt, revision):
        for row in self._rows:
            if row["job_id"] in jobs and row["attempt"] == attempt:
                row["told_revision"] = max(row["told_revision"], revision)

    def _do_mark_commanded(self, jobs, attempt, epoch):
        for row in self._rows:
            if row["job_id"] in jobs and (row["attempt"], row["epoch"]) == (attempt, epoch):
                row["is_commanded"] = 1

    def _many_reserve_standalone(self, node, job_id, attempt):
        if node in self._tables["reservations"]:
            raise DuplicateKeyError
        self._tables["reservations"][node] = (job_id, attempt)

    def _do_release_standalone(self, jobs, attempt):
        taken = self._tables["reservations"]
        for node in [n for n, (job, a) in taken.items() if job in jobs and a == attempt]:
            del taken[node]

    def _all_intruders(self, nodes):
        taken = self._tables["reservations"]
        return [row for row in self._rows if row["state"] in PLACED and row["node"] in nodes
                and taken.get(row["node"], (row["job_id"], row["attempt"])) != (row["job_id"], row["attempt"])]

    def _all_cordons(self):
        return [{"node": node, "reason": reason} for node, reason in self._tables["cordons"].items()]

    def _do_cordon(self, node, reason, now):
        self._tables["cordons"].setdefault(node, reason)

    def _do_uncordon(self, node):
        self._tables["cordons"].pop(node, None)

    def _do_forget_ended(self, days):
        limit = self._now - timedelta(days=days)
        old = [key for key, row in self._tables["deployments"].items()
               if row["state"] not in LIVE and row["revision"] <= row["told_revision"]
               and row["updated_at"] < limit]
        for key in old:
            del self._tables["deployments"][key]

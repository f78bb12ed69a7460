"""Thousands of jobs due in one second: all run or are told as missed, and the API goes on."""

from __future__ import annotations

import json
import ssl
import statistics
import threading
import time
import urllib.request
from collections import Counter
from datetime import timedelta
from typing import Self

import pytest

from tests.e2e.platform import TERMINAL, Platform, now, wait_for
from tests.e2e.schedules import once, soon, stamp
from tests.e2e.test_faults_e2e import wait_until

INSTANCES, EACH = 5, 1000
WINDOW_S = 60
EVERY_S = 0.2


class Asker:
    """Asks the API for the newest jobs, again and again, and keeps how long each answer took."""

    def __init__(self, platform: Platform) -> None:
        kept = json.loads(next(platform.folder.rglob("config.json")).read_text())
        self._url = f"{kept['url']}/api/v1/jobs?limit=50"
        self._headers = {"Authorization": f"Bearer {kept['token']}"}
        self._tls = ssl.create_default_context(cafile=kept["ca_file"])
        self._over = threading.Event()
        self.took_s: list[float] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        request = urllib.request.Request(self._url, headers=self._headers)  # noqa: S310
        while not self._over.wait(EVERY_S):
            began = time.monotonic()
            with urllib.request.urlopen(request, context=self._tls, timeout=30) as answer:  # noqa: S310
                answer.read()
            self.took_s.append(time.monotonic() - began)


@pytest.mark.timeout(1800)
def test_five_thousand_jobs_due_in_one_second_are_all_accounted_for(platform: Platform) -> None:
    start = soon(30)
    end = stamp(start + timedelta(seconds=WINDOW_S))
    with Asker(platform) as asker:
        for number in range(INSTANCES):
            platform.apply(once(f"burst-{number}", start, ["run", "1"], instances=EACH, end=end))
        wait_until(start + timedelta(seconds=WINDOW_S))
        wait_for("all to end", lambda: _have_ended(platform), 600, 5.0)
    ends, took_s = _ends(platform), asker.took_s
    p99 = statistics.quantiles(took_s, n=100)[98]
    print(f"all ended within {(now() - start).total_seconds():.0f} s of their due time: {dict(ends)};"
          f" API p50 {statistics.median(took_s):.3f} s, p99 {p99:.3f} s")  # fmt: skip
    assert sum(ends.values()) == INSTANCES * EACH
    assert set(ends) <= {"SUCCEEDED", "ENDED", "MISSED"}
    assert ends["SUCCEEDED"], "none ran at all"
    assert p99 < 1.0, "guarantees.md, 5"


def _have_ended(platform: Platform) -> bool:
    ends = _ends(platform)
    return sum(ends.values()) == INSTANCES * EACH and set(ends) <= TERMINAL


def _ends(platform: Platform) -> Counter[str]:
    """Count the states of all jobs of the burst."""
    rows = (
        row
        for number in range(INSTANCES)
        for row in platform.json("job", "list", "--instance", f"burst-{number}", "--no-upcoming",
                                 "--limit", str(2 * EACH))
    )  # fmt: skip
    return Counter(row["state"] for row in rows)

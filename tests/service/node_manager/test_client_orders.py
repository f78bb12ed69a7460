"""Whatever the order, doubling and loss of commands, crashes included: one run, and stop wins."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.messages import StopCause
from node_manager.client import hands
from node_manager.client.domain.attempt import Status
from tests.service.node_manager.client_bench import KEY, NOW, Bench

FAILPOINTS = ("client.created", "client.started", "client.stopping", "client.finished")
EPOCHS = st.integers(1, 3)
EVENTS = st.one_of(
    st.tuples(st.just("start"), EPOCHS),
    st.tuples(st.just("stop"), EPOCHS),
    st.tuples(st.just("crash_at"), st.sampled_from(FAILPOINTS)),
    st.tuples(st.sampled_from(["crash", "end", "work", "docker", "kafka", "vanish"]), st.none()),
    st.tuples(st.just("time"), st.sampled_from([1, 5, 70, 400])),
)


class CrashError(BaseException):
    """The process dies here."""


class World:
    def __init__(self, folder: Path, monkey: dict[str, str | None]) -> None:
        self.bench = Bench(folder)
        self.armed = monkey

    def do(self, kind: str, value) -> None:
        bench = self.bench
        match kind:
            case "start":
                bench.start(epoch=value, stop_at=NOW + timedelta(hours=1))
            case "stop":
                bench.stop(epoch=value, grace_s=2)
            case "crash_at":
                self.armed["name"] = value
            case "crash":
                bench.restart()
            case "docker":
                bench.engine.is_down = not bench.engine.is_down
            case "kafka":
                bench.bus.available = not bench.bus.available
            case "time":
                bench.pass_time(value)
            case _:
                self.meddle(kind)
        bench.work()

    def meddle(self, kind: str) -> None:
        engine = self.bench.engine
        if KEY.name in engine.starts and engine._containers.get(KEY.name):
            if kind == "end":
                engine.end(KEY.name, 0)
            elif kind == "vanish":
                engine.vanish(KEY.name)

    def settle(self) -> None:
        self.armed["name"] = None
        self.bench.engine.is_down = False
        self.bench.bus.available = True
        self.bench.pass_time(20)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=14))
def test_never_two_runs_and_stop_wins(events):
    armed: dict[str, str | None] = {"name": None}

    def crash(name: str) -> None:
        if name == armed["name"]:
            armed["name"] = None
            raise CrashError

    original, hands.failpoint = hands.failpoint, crash
    try:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), armed)
            for kind, value in events:
                try:
                    world.do(kind, value)
                except CrashError:
                    world.bench.restart()
            world.settle()
            check(world.bench, events)
    finally:
        hands.failpoint = original


def check(bench: Bench, events) -> None:
    assert bench.engine.starts.count(KEY.name) <= 1
    starts = [value for kind, value in events if kind == "start"]
    stops = [value for kind, value in events if kind == "stop"]
    seen = bench.engine.inspect(KEY.name)
    is_running = seen is not None and seen.status is Status.RUNNING
    if stops and max(stops) >= max(starts, default=0):
        assert not is_running
        assert bench.told(), "a stop is always answered"
    if starts or stops:
        assert bench.told()
    final = [report for report in bench.told()
             if report.state.value != "RUNNING" and report.stop_cause is not StopCause.STALE]
    if bench.engine.starts and not is_running:
        assert final[-1].state.value == "EXITED"

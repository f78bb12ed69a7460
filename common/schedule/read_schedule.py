"""The `schedule:` mapping of an instance: which of the five forms it is, and its keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import TypeVar

from common.documents import Checker, Node, Scalar
from common.schedule import values
from common.schedule.calendar import Calendar
from common.schedule.cron import CronError, parse_cron
from common.schedule.spec import Recurrence

T = TypeVar("T")
BOUNDS = {"start", "end", "max_jobs", "exclude", "duration", "repetition", "dst_gap", "dst_overlap"}
FORM_KEYS = {
    "once": set[str](),
    "every": {"interval"},
    "daily": {"start_time", "end_time", "days"},
    "window": {"start_time", "end_time", "interval", "days"},
    "cron": {"cron"},
}
KNOWN = BOUNDS | set().union(*FORM_KEYS.values())


def parsed(checker: Checker, node: Node, path: str, read: Callable[[str], T]) -> T | None:
    """Read a small word; what is wrong with it becomes a problem with the reader's own hint."""
    text = checker.text(node, path, any_scalar=True)
    if text is None:
        return None
    try:
        return read(text)
    except CronError as error:
        checker.add(node, path, "bad_cron", str(error), error.hint)
    except ValueError as error:
        checker.add(node, path, "bad_value", f"cannot read {text[:60]!r}", str(error))
    return None


class ScheduleReader:
    """Reads one schedule mapping. Owned by one thread."""

    def __init__(self, checker: Checker, node: Node, path: str) -> None:
        self._checker = checker
        self._node = node
        self._path = path
        self._fields = checker.mapping(node, path, KNOWN)

    def read(self, timezone: str) -> Recurrence | None:
        """Return the recurrence, or None after having noted what is wrong."""
        before = len(self._checker.problems)
        form = self._form()
        if form is None:
            return None
        end_time, ends_at_midnight = self._end_time()
        step = self._parsed("interval", values.read_interval) or (0, "s")
        recurrence = Recurrence(
            form=form,  # type: ignore[arg-type]
            start=self._parsed("start", values.read_moment),
            end=self._parsed("end", values.read_moment),
            start_time=self._parsed("start_time", values.read_time),
            end_time=end_time,
            ends_at_midnight=ends_at_midnight,
            days=self._days(),
            step=step[0],
            unit=step[1],  # type: ignore[arg-type]
            cron=self._cron(),
            duration_s=self._parsed("duration", values.read_span),
            max_jobs=self._integer("max_jobs"),
            exclude=self._excluded(),
            dst_gap=self._choice("dst_gap", ("shift", "skip")),  # type: ignore[arg-type]
            dst_overlap=self._choice("dst_overlap", ("first", "second", "both")),  # type: ignore[arg-type]
        )
        self._check_combination(recurrence)
        if len(self._checker.problems) == before:
            self._check_it_comes(recurrence, timezone)
        return recurrence if len(self._checker.problems) == before else None

    def _form(self) -> str | None:
        keys = set(self._fields)
        form = self._form_of(keys)
        if form is None:
            self._problem("no_form", "this is none of the five forms",
                          "give `start`, `start` + `interval`, `start_time` [+ `end_time`], "
                          "`start_time` + `end_time` + `interval`, or `cron`")  # fmt: skip
            return None
        for key in sorted(keys - BOUNDS - FORM_KEYS[form]):
            self._checker.add(self._fields[key], f"{self._path}.{key}", "wrong_form",
                              f"{key!r} has no place in the form {form!r}")  # fmt: skip
        return form

    @staticmethod
    def _form_of(keys: set[str]) -> str | None:
        if "cron" in keys:
            return "cron"
        if "start_time" in keys:
            return "window" if "interval" in keys else "daily"
        if "start" in keys:
            return "every" if "interval" in keys else "once"
        return None

    def _check_combination(self, r: Recurrence) -> None:
        if r.form == "window" and "end_time" not in self._fields:
            self._problem("missing_key", "a window needs its `end_time`")
        if r.form == "window" and r.unit != "s":
            self._problem("bad_value", "the interval of a window is in s, m or h")
        if r.max_jobs is not None and r.start is None:
            self._problem("missing_key", "`max_jobs` counts from `start`, which is missing")
        if r.start is not None and r.end is not None and _is_before(r.end, r.start):
            self._problem("end_before_start", "`end` is not after `start`")
        repetition = self._fields.get("repetition")
        if repetition is not None:
            value = self._checker.boolean(repetition, f"{self._path}.repetition")
            if value is not None and value is (r.form == "once"):
                self._problem("bad_value", f"`repetition: {str(value).lower()}` contradicts "
                              f"the form {r.form!r}")  # fmt: skip

    def _check_it_comes(self, recurrence: Recurrence, timezone: str) -> None:
        calendar = Calendar(recurrence, timezone)
        if calendar.next_due(datetime.fromisoformat("1970-01-01T00:00:00+00:00")) is None:
            self._problem("never_due", "this schedule can never be due",
                          "look at its bounds, days and exclude")  # fmt: skip

    def _end_time(self) -> tuple[time | None, bool]:
        node = self._fields.get("end_time")
        if isinstance(node, Scalar) and node.text in {"24:00", "24:00:00"}:
            return None, True
        return self._parsed("end_time", values.read_time), False

    def _days(self) -> tuple[int, ...]:
        node = self._fields.get("days")
        if node is None:
            return ()
        chosen: set[int] = set()
        for item, path in self._checker.items(node, f"{self._path}.days"):
            chosen |= parsed(self._checker, item, path, values.read_days) or set()
        return tuple(sorted(chosen))

    def _excluded(self) -> tuple[date, ...]:
        node = self._fields.get("exclude")
        if node is None:
            return ()
        items = self._checker.items(node, f"{self._path}.exclude")
        found = (parsed(self._checker, item, path, values.read_date) for item, path in items)
        return tuple(day for day in found if day is not None)

    def _cron(self) -> str | None:
        node = self._fields.get("cron")
        if node is None:
            return None
        if parsed(self._checker, node, f"{self._path}.cron", parse_cron) is None:
            return None
        return node.text.strip() if isinstance(node, Scalar) else None

    def _integer(self, key: str) -> int | None:
        node = self._fields.get(key)
        if node is None:
            return None
        return self._checker.integer(node, f"{self._path}.{key}", 1, 1_000_000)

    def _choice(self, key: str, choices: tuple[str, ...]) -> str:
        node = self._fields.get(key)
        if node is None:
            return choices[0]
        return self._checker.choice(node, f"{self._path}.{key}", choices) or choices[0]

    def _parsed(self, key: str, read: Callable[[str], T]) -> T | None:
        node = self._fields.get(key)
        return None if node is None else parsed(self._checker, node, f"{self._path}.{key}", read)

    def _problem(self, code: str, message: str, hint: str | None = None) -> None:
        self._checker.add(self._node, self._path, code, message, hint)


def _is_before(end: datetime, start: datetime) -> bool:
    if (end.tzinfo is None) != (start.tzinfo is None):
        return False
    return end <= start

"""The `schedule:` mapping of an instance: which of the five forms it is, and its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, TypeVar

from common.documents import Checker, Mapping, Node
from common.documents.problem import shorten
from common.schedule import values
from common.schedule.calendar import Calendar
from common.schedule.cron import CronError, parse_cron
from common.schedule.days import Chosen
from common.schedule.model import ScheduleKeys, keys_of, limits_of, words_of
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
_FORMS_HINT = (
    "give `start`, `start` + `interval`, `start_time` [+ `end_time`], "
    "`start_time` + `end_time` + `interval`, or `cron`"
)
_READERS: dict[str, Callable[[str], Any]] = {
    "start": values.read_moment,
    "end": values.read_moment,
    "start_time": values.read_time,
    "interval": values.read_interval,
}


def parsed(checker: Checker, node: Node, path: str, read: Callable[[str], T]) -> T | None:
    """Read a small word; what is wrong with it becomes a problem with the reader's own hint."""
    text = checker.text(node, path, any_scalar=True)
    if text is None:
        return None
    try:
        return read(text)
    except CronError as error:
        checker.add(node, path, "bad_cron", str(error), hint=error.hint)
    except ValueError as error:
        checker.add(node, path, "bad_value", f"cannot read {shorten(text)!r}", hint=str(error))
    return None


def read_schedule(checker: Checker, node: Node, path: str) -> Recurrence | None:
    """Return the recurrence, or None after having noted what is wrong."""
    before = len(checker.problems)
    reader = _ScheduleReader(checker, node, path)
    form = reader.form()
    found = reader.values()
    if form is None or not isinstance(node, Mapping):
        return None
    recurrence = Recurrence(form=form, **found)  # type: ignore[arg-type]
    reader.check_combination(recurrence)
    return recurrence if len(checker.problems) == before else None


def check_times(
    checker: Checker, place: tuple[Node, str], recurrence: Recurrence, zones: Iterable[str]
) -> None:
    """Note, at the schedule's mapping, bounds the wrong way round and what can never be due.

    One problem for all the zones it is used in.
    """
    chosen = Chosen(recurrence)
    for timezone in zones:
        calendar = Calendar(recurrence, timezone, chosen)
        start, end = calendar.bounds
        if start is not None and end is not None and end <= start:
            checker.add(*place, "end_before_start", "`end` is not after `start`",
                        hint="a due time exists where start <= t < end")  # fmt: skip
            return
        if calendar.first_due() is None:
            checker.add(*place, "never_due", f"this schedule can never be due in {timezone}",
                        hint="look at its bounds, days, exclude and dst_gap")  # fmt: skip
            return


class _ScheduleReader:
    """Reads one schedule mapping. Owned by one thread."""

    def __init__(self, checker: Checker, node: Node, path: str) -> None:
        self._checker = checker
        self._node = node
        self._path = path
        self._fields = checker.mapping(node, path, keys_of(ScheduleKeys))
        entries = node.entries if isinstance(node, Mapping) else ()
        self._present = {key.text for key, _ in entries} & set(keys_of(ScheduleKeys))

    def form(self) -> str | None:
        """Tell the form by the keys that are present, also by those with a problem of their own."""
        if not isinstance(self._node, Mapping):
            return None
        form = self._form_of(self._present)
        if form is None:
            self._problem("no_form", "this is none of the five forms", _FORMS_HINT)
            return None
        alien = sorted(self._present - BOUNDS - FORM_KEYS[form])
        if alien:
            names = ", ".join(f"`{name}`" for name in alien)
            self._problem("wrong_form", f"{names} has no place in the form {form!r}", _FORMS_HINT)
        if form == "window" and "end_time" not in self._present:
            self._checker.missing(self._node, self._path, "end_time")
        if "max_jobs" in self._present and "start" not in self._present:
            self._checker.add(self._node, f"{self._path}.start", "missing_key",
                              "`max_jobs` counts from `start`, which is missing",
                              hint="add `start:`")  # fmt: skip
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

    def values(self) -> dict[str, Any]:
        """Return what each key says, for `Recurrence`; None of what could not be read."""
        found = {key: self._parsed(key, read) for key, read in _READERS.items()}
        step, unit = found.pop("interval") or (0, "s")
        found |= {
            "step": step,
            "unit": unit,
            "end_time": self._parsed("end_time", values.read_end_time),
            "ends_at_midnight": self._text_of("end_time") == values.MIDNIGHT_AFTER,
            "days": self._days(),
            "cron": self._text_of("cron") if self._parsed("cron", parse_cron) else None,
            "duration_s": self._parsed("duration", values.read_span),
            "max_jobs": self._max_jobs(),
            "exclude": self._excluded(),
            "dst_gap": self._choice("dst_gap"),
            "dst_overlap": self._choice("dst_overlap"),
        }
        return found

    def check_combination(self, recurrence: Recurrence) -> None:
        """Note, at the mapping, what each key may say but not together."""
        form = recurrence.form
        if form == "window" and recurrence.unit != "s":
            self._problem("bad_combination", "the interval of a window is in s, m or h",
                          "a window begins anew each day; `days` chooses them")  # fmt: skip
        repetition = self._fields.get("repetition")
        if repetition is None:
            return
        value = self._checker.boolean(repetition, f"{self._path}.repetition")
        if value is not None and value is (form == "once"):
            self._problem("bad_combination",
                          f"`repetition: {str(value).lower()}` contradicts the form {form!r}",
                          "false only for once, true for all others; or leave it out")  # fmt: skip

    def _days(self) -> tuple[int, ...]:
        chosen: set[int] = set()
        for item, path in self._items("days"):
            chosen |= parsed(self._checker, item, path, values.read_days) or set()
        return tuple(sorted(chosen))

    def _excluded(self) -> tuple[date, ...]:
        found = (
            parsed(self._checker, item, path, values.read_date)
            for item, path in self._items("exclude")
        )
        return tuple(sorted({day for day in found if day is not None}))

    def _items(self, key: str) -> list[tuple[Node, str]]:
        node = self._fields.get(key)
        if node is None:
            return []
        before = len(self._checker.problems)
        items = self._checker.items(node, f"{self._path}.{key}")
        if not items and key == "days" and len(self._checker.problems) == before:
            self._checker.add(node, f"{self._path}.{key}", "empty_list", "no day is chosen",
                              hint="leave `days` out for every day")  # fmt: skip
        return items

    def _max_jobs(self) -> int | None:
        node = self._fields.get("max_jobs")
        if node is None:
            return None
        limits = limits_of(ScheduleKeys, "max_jobs")
        return self._checker.integer(node, f"{self._path}.max_jobs", *limits)

    def _choice(self, key: str) -> str:
        words = words_of(ScheduleKeys, key)
        node = self._fields.get(key)
        if node is None:
            return words[0]
        return self._checker.choice(node, f"{self._path}.{key}", words) or words[0]

    def _text_of(self, key: str) -> str | None:
        node = self._fields.get(key)
        return getattr(node, "text", "").strip() or None

    def _parsed(self, key: str, read: Callable[[str], T]) -> T | None:
        node = self._fields.get(key)
        return None if node is None else parsed(self._checker, node, f"{self._path}.{key}", read)

    def _problem(self, code: str, message: str, hint: str) -> None:
        self._checker.add(self._node, self._path, code, message, hint=hint)

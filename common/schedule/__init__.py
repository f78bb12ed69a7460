"""The schedule language: text to specs or problems, specs to instants. Pure."""

from common.documents import Problem
from common.schedule.calendar import Calendar, compile_schedule
from common.schedule.load import Loaded, load, load_many
from common.schedule.spec import (
    Dependency,
    InstanceSpec,
    Notify,
    Recurrence,
    spec_from_json,
    spec_to_json,
)

__all__ = [
    "Calendar", "Dependency", "InstanceSpec", "Loaded", "Notify", "Problem", "Recurrence",
    "compile_schedule", "load", "load_many", "spec_from_json", "spec_to_json",
]  # fmt: skip

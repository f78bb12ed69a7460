"""What may be cleaned up, and what never."""

from datetime import UTC, datetime, timedelta

import pytest

from node_manager.client.domain.cleanup import images_to_remove, log_budget

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OLD, FRESH = NOW - timedelta(days=8), NOW - timedelta(days=6)


@pytest.mark.parametrize(("last_used", "needed", "disk_used", "removed"), [
    ({}, (), 0.99, []),
    ({"a": FRESH}, (), 0.5, []),
    ({"a": OLD, "b": FRESH}, (), 0.5, ["a"]),
    ({"a": OLD}, ("a",), 0.99, []),
    ({"a": NOW, "b": FRESH, "c": OLD, "d": FRESH}, ("c",), 0.86, ["b", "d", "a"]),
    ({"a": NOW, "b": FRESH, "c": OLD, "d": FRESH}, (), 0.86, ["c", "b", "d"]),
])
def test_images(last_used, needed, disk_used, removed):
    assert images_to_remove(last_used, needed, NOW, disk_used) == removed


def test_kept_logs_make_room_when_the_disk_is_scarce():
    assert (log_budget(1000, 0.5), log_budget(1000, 0.9)) == (1000, 100)

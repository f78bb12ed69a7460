"""The client's cleaning up, on memory doors."""

from datetime import timedelta

import pytest

from node_manager.client.cleaner import Cleaner, ImageBook
from tests.service.node_manager.client_bench import KEY, NOW, Bench


class Disk:
    used = 0.5

    def __call__(self):
        return self.used


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.engine.pullable |= {"pulled", "other"}
    return made


def clean(bench, disk):
    Cleaner(bench.engine, bench.journal, bench.images, disk).run_once(bench.logs, bench.clock.now())


def run_to_the_end(bench, image):
    bench.start(image=image)
    bench.work()
    bench.engine.end(KEY.name, 0)
    bench.pass_time(65)


def test_an_image_that_was_pulled_goes_after_a_week_of_no_use_and_over_a_restart(bench, disk):
    run_to_the_end(bench, "pulled")
    clean(bench, disk)
    bench.restart()
    assert set(bench.images.last_used()) == {"pulled"}
    bench.clock.advance(timedelta(days=8))
    clean(bench, disk)
    assert bench.engine.images == {"app"}  # "app" was here before us
    assert bench.images.last_used() == {}


def test_a_full_disk_takes_no_image_that_is_needed(bench, disk):
    disk.used = 0.97
    bench.start(image="pulled")
    bench.work()
    clean(bench, disk)
    assert "pulled" in bench.engine.images
    bench.engine.end(KEY.name, 0)
    bench.pass_time(3)
    clean(bench, disk)  # its container is still kept
    assert "pulled" in bench.engine.images
    bench.pass_time(65)
    clean(bench, disk)
    assert "pulled" not in bench.engine.images


def test_a_full_disk_is_told(bench, disk):
    cleaner = Cleaner(bench.engine, bench.journal, bench.images, disk)
    assert cleaner.disk_error() is None
    disk.used = 0.97
    assert cleaner.disk_error() == "the disk is 97% full"


def test_a_torn_book_is_an_empty_one(tmp_path, bench):
    path = tmp_path / "images.json"
    path.write_bytes(b'{"a": "20')
    book = ImageBook(path, bench.clock)
    book.note_pulled("b")
    assert ImageBook(path, bench.clock).last_used() == {"b": NOW}


def test_the_image_is_there_minutes_before_its_time_and_the_start_is_exact(bench):
    due = NOW + timedelta(hours=1)
    bench.start(image="pulled", due=due)
    bench.work()
    assert bench.engine.pulled == []
    bench.clock.advance(timedelta(minutes=55))
    bench.work()
    assert bench.engine.pulled == ["pulled"]
    assert bench.engine.created == []
    bench.clock.advance(timedelta(minutes=4, seconds=30))
    bench.work()
    assert bench.engine.created == [KEY.name]
    bench.pass_time(29)
    assert bench.engine.starts == []
    bench.pass_time(1)
    assert bench.told()[-1].started_at == due


def test_an_image_that_cannot_be_had_ahead_is_tried_again_when_it_is_needed(bench):
    bench.start(image="late", due=NOW + timedelta(minutes=1))
    bench.work()
    assert bench.told() == []
    bench.engine.pullable.add("late")
    bench.pass_time(61)
    assert bench.states() == ["RUNNING"]

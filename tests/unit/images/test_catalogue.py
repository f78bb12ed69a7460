"""What makes an image current or stale, and in which order images are made."""

import pytest

from images import catalogue
from images.catalogue import Image, inputs_hash, with_parents


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "REPOSITORY", tmp_path)
    for name in ("base", "kafka"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "images/debootstrap.sh").write_text("true\n")
    (tmp_path / "common").mkdir()
    (tmp_path / "common/clock.py").write_text("now = 1\n")
    return tmp_path


SERVICES = Image(name="kafka", parent="base", sources=("common", "scheduler"))


def test_the_hash_stays_when_nothing_changes(repository):
    assert inputs_hash(SERVICES) == inputs_hash(SERVICES)


@pytest.mark.parametrize("path", [
    "images/kafka/Dockerfile", "images/base/Dockerfile", "images/debootstrap.sh", "common/clock.py",
    "common/new.py", "scheduler/service.py",
])
def test_the_hash_changes_with_own_files_sources_and_parents(repository, path):
    before = inputs_hash(SERVICES)
    (repository / path).parent.mkdir(exist_ok=True)
    (repository / path).write_text("changed\n")
    assert inputs_hash(SERVICES) != before


@pytest.mark.parametrize("path", [
    "images/kafka/README.md", "common/__pycache__/clock.cpython-311.pyc", "tests/x.py",
])
def test_the_hash_ignores_what_is_not_in_the_image(repository, path):
    before = inputs_hash(SERVICES)
    (repository / path).parent.mkdir(exist_ok=True)
    (repository / path).write_text("changed\n")
    assert inputs_hash(SERVICES) == before


def test_a_file_made_executable_changes_the_hash(repository):
    before = inputs_hash(SERVICES)
    (repository / "images/kafka/Dockerfile").chmod(0o755)
    assert inputs_hash(SERVICES) != before


def test_parents_come_with_their_children_and_before_them():
    assert [image.name for image in with_parents(["kafka"])] == ["base", "kafka"]
    assert [image.name for image in with_parents([])] == [i.name for i in catalogue.CATALOGUE]


def test_every_image_has_a_folder_with_a_dockerfile():
    for image in catalogue.CATALOGUE:
        assert "Dockerfile" in dict(catalogue.input_files(image)), image.name

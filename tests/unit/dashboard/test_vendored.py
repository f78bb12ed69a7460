"""What is vendored is what was looked at, and each of it has its licence beside it."""

from scripts import renew_vendored


def test_vendored_files_have_their_checksums():
    assert renew_vendored.mismatches() == []


def test_every_package_has_its_licence_and_its_files():
    names = {path.name for path in renew_vendored.vendored_files()}
    for package in renew_vendored.PACKAGES:
        assert f"LICENSE.{package.short_name}" in names
        assert {name for _, name in package.files} <= names

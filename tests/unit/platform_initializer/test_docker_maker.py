"""What making containers as machines needs of this host."""

import pytest

from platform_initializer.errors import MachineError
from platform_initializer.machines.docker import lxcfs_serves


def test_lxcfs_is_used_where_it_serves_and_done_without_where_it_is_not(tmp_path):
    assert not lxcfs_serves(tmp_path / "stat")
    (tmp_path / "stat").write_text("cpu 1")
    assert lxcfs_serves(tmp_path / "stat")


def test_an_lxcfs_that_is_there_and_does_not_serve_is_refused_with_what_starts_it(tmp_path):
    """A folder in its place cannot be read either, as a mount whose server died."""
    with pytest.raises(MachineError) as refused:
        lxcfs_serves(tmp_path)
    assert refused.value.failure.next_step == "scripts/ensure-lxcfs.sh"

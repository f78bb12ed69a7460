"""What every maker of machines promises (machines/pooled): containers, virtual ones, clouds, programs.

qemu itself is a stand-in here (booting takes minutes): `make test-vm` boots a real one.
"""

import pytest

from platform_initializer.domain.description import Pool
from platform_initializer.errors import MachineError
from platform_initializer.machines.pooled import PooledMachines, Wanted
from tests.support.makers import BENCHES, PASSWORD, cloud_maker, nova

POOL = Pool("w", 2, cpus=1, memory=512 << 20, labels={"tier": "shared"})


@pytest.fixture(params=list(BENCHES))
def bench(request, tmp_path):
    yield from BENCHES[request.param](tmp_path)


def silent(_):
    pass


def test_machines_are_made_once_adopted_and_destroyed(bench):
    pooled, told = PooledMachines([POOL], bench.maker), []
    assert pooled.missing() == ["w1", "w2"]
    assert pooled.existing() == []
    made = pooled.provide(told.append)
    assert sorted(text for text in told if text.startswith("making")) == [
        "making machine w1", "making machine w2"]
    assert [machine.name for machine in made] == ["w1", "w2"]
    assert all(machine.labels["tier"] == "shared" for machine in made)
    assert all(machine.host_key.startswith("SHA256:") for machine in made), "pinned before contact"
    assert pooled.missing() == pooled.orphans() == []
    assert pooled.existing() == made
    assert pooled.provide(told.append) == made, "what is there is adopted"
    assert len([text for text in told if text.startswith("making")]) == 2

    smaller = PooledMachines([Pool("w", 1)], bench.maker)
    assert smaller.orphans() == ["w2"]
    assert smaller.destroy_one("w2")
    assert not smaller.destroy_one("w2")
    assert smaller.orphans() == []
    assert pooled.missing() == ["w2"]
    assert pooled.destroy() == ["w1"]
    assert pooled.destroy() == []
    assert pooled.missing() == ["w1", "w2"]


def test_one_left_half_made_gets_no_twin(bench):
    pool = Pool("w", 1, cpus=1, memory=512 << 20)
    bench.leave_half_made(Wanted("w1", pool))
    pooled = PooledMachines([pool], bench.maker)
    assert pooled.missing() == []
    assert [machine.name for machine in pooled.provide(silent)] == ["w1"]
    assert list(bench.maker.listed().items()) == [("w1", True)]


@pytest.mark.parametrize("bench", ["ec2", "openstack"], indirect=True)
def test_two_of_one_name_in_a_cloud_are_refused_not_guessed_about(bench):
    wanted = Wanted("w1", POOL)
    bench.maker.make(wanted)
    bench.maker.make(wanted)
    with pytest.raises(MachineError) as refused:
        bench.maker.listed()
    assert "both carry its name" in refused.value.failure.why


@pytest.mark.parametrize("bench", ["ec2"], indirect=True)
def test_a_repeated_request_to_ec2_bears_the_same_token_until_its_machine_is_gone(bench):
    maker, wanted = bench.maker, Wanted("w1", POOL)
    maker.make(wanted)
    first = maker._ours()[0].extra["client_token"]
    assert first.startswith("rota-")
    assert len(first) <= 64
    maker.remove(["w1"])
    maker.make(wanted)
    tokens = [node.extra["client_token"] for node in maker._ours()]
    assert len(set(tokens)) == 2, "else EC2 would answer with the machine that is gone"


def test_a_cloud_that_refuses_the_password_says_so_and_what_to_do(tmp_path, monkeypatch):
    with nova() as url:
        monkeypatch.setitem(PASSWORD, "ROTA_CLOUD_SECRET", "another-than-the-one-it-knows")
        options = {"provider": ("openstack",), "image": ("debian-12",), "endpoint": (url,),
                   "project": ("shop",)}
        maker = cloud_maker(options, tmp_path)
        monkeypatch.undo()
        with pytest.raises(MachineError) as refused:
            maker.listed()
    assert "refuses the credentials" in refused.value.failure.why
    assert "ROTA_CLOUD_SECRET_FILE" in refused.value.failure.next_step
    assert "another-than" not in str(refused.value.failure)

"""A new authority: at no moment does a client meet a server that it does not trust."""

import itertools
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import ConfigError
from platform_initializer.renewal import change_authority, findings_of
from platform_initializer.secret_store import SecretStore

ADDRESS = "10.0.0.1"
NOW = datetime.now(UTC)  # noqa: TID251 - OpenSSL checks certificates by the clock itself


def up(path, now=NOW):
    """Do with the store what `up` does; return (what servers show, what clients trust)."""
    store = SecretStore(path)
    store.certify("acme", {"kafka": [ADDRESS]}, now)
    return store.text("tls_kafka"), store.text("ca_cert")


def codes(path, now=NOW):
    return [(one.code, one.fix) for one in findings_of(SecretStore(path).certificates(), now)]


def is_trusted(shown, trusted, tmp_path):
    """Shake hands as a client that trusts `trusted` with a server that shows `shown`."""
    (tmp_path / "server.pem").write_text(shown)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=trusted)
    server.load_cert_chain(tmp_path / "server.pem")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname=ADDRESS), server.wrap_bio(there, back, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return bool(ends[0].version())


@pytest.fixture
def path(tmp_path):
    SecretStore(tmp_path / "secrets.json").complete()
    up(tmp_path / "secrets.json")
    return tmp_path / "secrets.json"


def test_whoever_changed_already_trusts_whoever_has_not(path, tmp_path):
    states = [up(path)]
    stages = [stage for stage in change_authority(path, "acme", NOW) if states.append(up(path)) is None]
    assert len(stages) == 3
    for (old_shown, old_trusted), (shown, trusted) in itertools.pairwise(states):
        for one, other in itertools.product((old_shown, shown), (old_trusted, trusted)):
            assert is_trusted(one, other, tmp_path)
    (first_shown, first_trusted), (last_shown, last_trusted) = states[0], states[-1]
    assert not is_trusted(first_shown, last_trusted, tmp_path), "the old authority is worth nothing now"
    assert not is_trusted(last_shown, first_trusted, tmp_path)
    assert last_trusted.count("BEGIN CERTIFICATE") == 1
    assert codes(path) == []


@pytest.mark.parametrize("stages_done", [0, 1, 2])
def test_cut_short_it_is_named_by_the_doctor_and_goes_on(path, stages_done):
    first = SecretStore(path).text("ca_cert")
    begun = change_authority(path, "acme", NOW)
    for _ in range(stages_done + 1):
        next(begun)
    begun.close()
    assert (("C603", "rota platform certs renew --authority") in codes(path)) is (stages_done < 2)
    if stages_done < 2:
        left = [up(path) for _ in change_authority(path, "acme", NOW)]
        assert len(left) == 3 - stages_done
    _, trusted = up(path)
    assert first not in trusted
    assert codes(path) == []


def test_an_authority_that_has_ended_is_replaced_at_once(path, tmp_path):
    late = NOW + timedelta(days=3651)
    assert ("C601", "rota platform certs renew --authority") in codes(path, late)
    stages = list(change_authority(path, "acme", late))
    assert stages == ["the new authority alone is trusted"]
    up(path, late)
    assert codes(path, late) == []


def test_before_the_first_up_there_is_none_to_change(tmp_path):
    SecretStore(tmp_path / "s.json").complete()
    with pytest.raises(ConfigError, match="rota platform up"):
        next(change_authority(tmp_path / "s.json", "acme", NOW))

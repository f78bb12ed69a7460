"""A passphrase is asked for before a live screen begins, and a new one twice."""

import pytest

from common.errors import ConfigError
from platform_initializer import sealing


class Terminal:
    """Somebody who types these answers, one a question."""

    def __init__(self, monkeypatch, *answers):
        self.asked, self._answers = [], list(answers)
        sealing.typed_passphrase.cache_clear()
        monkeypatch.delenv("ROTA_PASSPHRASE_FILE", raising=False)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("getpass.getpass", self._answer)

    def _answer(self, question):
        self.asked.append(question)
        return self._answers.pop(0)


@pytest.fixture(autouse=True)
def _forget():
    yield
    sealing.typed_passphrase.cache_clear()


def test_an_existing_stores_is_asked_once_however_often_it_is_used(tmp_path, monkeypatch):
    store = tmp_path / "secrets.enc"
    store.touch()
    person = Terminal(monkeypatch, "a long passphrase")
    sealing.ask_beforehand(store)
    assert sealing.read_passphrase().reveal() == "a long passphrase"
    assert len(person.asked) == 1


def test_a_new_one_is_typed_twice_and_a_slip_does_nothing(tmp_path, monkeypatch):
    person = Terminal(monkeypatch, "a long passphrase", "a long passphrasf")
    with pytest.raises(ConfigError, match="differ"):
        sealing.ask_beforehand(tmp_path / "secrets.enc")
    assert len(person.asked) == 2


def test_a_store_in_plain_asks_for_nothing(tmp_path, monkeypatch):
    person = Terminal(monkeypatch)
    sealing.ask_beforehand(tmp_path / "secrets.json")
    assert person.asked == []

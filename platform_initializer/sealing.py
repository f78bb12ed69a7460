"""Encryption of the secret store at rest: scrypt for the passphrase, AES-256-GCM for the content.

The form is one JSON line with everything but the passphrase, so that parameters may grow later.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import sys
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from common.errors import ConfigError
from common.secret import Secret

LEAST_LENGTH = 12
_COST = {"n": 2**15, "r": 8, "p": 1}  # 32 MiB and 0.1 s a guess (RFC 7914)
_MARK = b"rota-secrets-1"


def seal(text: str, passphrase: Secret) -> bytes:
    """Encrypt a text; another salt and nonce each time."""
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = AESGCM(_key(passphrase, salt, _COST)).encrypt(nonce, text.encode(), _MARK)
    whole = {
        "form": _MARK.decode(), "scrypt": _COST, "salt": _text(salt), "nonce": _text(nonce),
        "sealed": _text(sealed),
    }  # fmt: skip
    return json.dumps(whole).encode() + b"\n"


def unseal(content: bytes, passphrase: Secret) -> str:
    """Decrypt what `seal` made; `ConfigError` for another passphrase or a changed file."""
    try:
        whole = json.loads(content)
        salt, nonce, sealed = (base64.b64decode(whole[k]) for k in ("salt", "nonce", "sealed"))
        cost = {name: int(whole["scrypt"][name]) for name in _COST}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError("the encrypted secret store is damaged") from error
    if cost["n"] * cost["r"] > 2**22:
        raise ConfigError("the encrypted secret store asks for more memory than is sane")
    try:
        return AESGCM(_key(passphrase, salt, cost)).decrypt(nonce, sealed, _MARK).decode()
    except InvalidTag as error:
        raise ConfigError("the passphrase is not that of the secret store") from error


def is_sealed(content: bytes) -> bool:
    """Tell whether `seal` made this."""
    return content.startswith(b'{"form": "' + _MARK)


def read_passphrase() -> Secret:
    """Return the passphrase from the file in ROTA_PASSPHRASE_FILE, or ask at the terminal."""
    path = os.environ.get("ROTA_PASSPHRASE_FILE")
    if path:
        try:
            return _checked(Path(path).read_text(encoding="utf-8").strip())
        except OSError as error:
            raise ConfigError(f"ROTA_PASSPHRASE_FILE names {path}: {error.strerror}") from error
    return typed_passphrase()


@cache
def typed_passphrase() -> Secret:
    """Ask at the terminal, once in the life of a command."""
    if not sys.stdin.isatty():
        raise ConfigError("the secret store is encrypted: set ROTA_PASSPHRASE_FILE")
    return _checked(getpass.getpass("passphrase of the secret store: "))


def ask_beforehand(store: Path) -> None:
    """Have the passphrase typed before a live screen begins; twice where it is a new store's.

    A slip in a new one would lock its owner out of everything.
    """
    if store.suffix != ".enc" or os.environ.get("ROTA_PASSPHRASE_FILE"):
        return
    typed = typed_passphrase()
    if not store.exists() and getpass.getpass("the same again: ") != typed.reveal():
        raise ConfigError("the two passphrases differ; nothing was done")


def _checked(text: str) -> Secret:
    if len(text) < LEAST_LENGTH:
        raise ConfigError(f"the passphrase needs {LEAST_LENGTH} characters or more")
    return Secret(text)


def _key(passphrase: Secret, salt: bytes, cost: dict[str, int]) -> bytes:
    kdf = Scrypt(salt=salt, length=32, n=cost["n"], r=cost["r"], p=cost["p"])
    return kdf.derive(passphrase.reveal().encode())


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

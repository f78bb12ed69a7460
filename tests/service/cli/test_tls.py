"""Over TLS: the command trusts the platform's own authority and nobody else."""

from __future__ import annotations

import os
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from application_manager.server import HttpConfig, HttpServer
from common.clock import SystemClock
from tests.service.cli.conftest import Command


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rota test")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


def test_the_platforms_own_authority_is_trusted_and_no_other(
    rota: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    config = HttpConfig("127.0.0.1", 0, str(certificate), str(key))
    server = HttpServer(rota.world.client.app, config)  # type: ignore[arg-type]
    server.run_once()
    monkeypatch.setenv("ROTA_URL", f"https://127.0.0.1:{server.port}")
    stranger = rota("node", "list")
    assert (stranger.code, "--ca-file" in stranger.err) == (7, True)
    monkeypatch.setenv("ROTA_CA_FILE", str(certificate))
    assert rota("node", "list").code == 0
    for wrong in (key, tmp_path / "nothing"):
        monkeypatch.setenv("ROTA_CA_FILE", str(wrong))
        done = rota("node", "list")
        assert (done.code, str(wrong) in done.err, "next:" in done.err) == (2, True, True), done
    monkeypatch.delenv("ROTA_CA_FILE")
    monkeypatch.chdir(tmp_path)
    assert rota("login", os.environ["ROTA_URL"], "--token-file", "token", "--ca-file", certificate.name).code == 0
    monkeypatch.chdir("/")
    assert rota("node", "list").code == 0, "the file is found from everywhere"
    rota.world.parts.stopping.set()
    server.close()

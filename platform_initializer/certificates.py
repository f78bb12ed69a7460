"""The platform's own certificate authority, and what it signs: pure but for the random keys.

Everything here is PEM text, as it is kept in the secret store and written to machines.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIVES = timedelta(days=3650)
CERTIFICATE_LIVES = timedelta(days=825)
RENEW_BEFORE = timedelta(days=60)
_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key (PKCS#8)."""

    certificate: str
    key: str


def make_authority(platform: str, now: datetime, *, is_renewal: bool = False) -> Pair:
    """Make a new authority; it signs servers only, never another authority.

    One that takes another's place has a name of its own: while both are trusted, OpenSSL finds a
    certificate's issuer by name, and would try the wrong one's key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Rota {now:%Y%m%dT%H%M%SZ} {platform}" if is_renewal
                 else f"Rota platform {platform}")  # fmt: skip
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    builder = (
        _begin(name, name, key, (now - _SKEW, now + CA_LIVES))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Pair, service: str, addresses: Sequence[str], now: datetime) -> Pair:
    """Make a server's certificate for the addresses (or names) it is reached by."""
    signer = x509.load_pem_x509_certificate(authority.certificate.encode())
    signing_key = serialization.load_pem_private_key(authority.key.encode(), None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([_alternative(address) for address in addresses])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = (
        _begin(_name(service), signer.subject, key, (now - _SKEW, now + CERTIFICATE_LIVES))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(server, critical=False)
    )
    return _pair(builder.sign(signing_key, hashes.SHA256()), key)


def is_good(pair: Pair, authority: Pair, addresses: Sequence[str], now: datetime) -> bool:
    """Tell whether a certificate is the authority's, for these addresses, and lives on a while."""
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    signer = x509.load_pem_x509_certificate(authority.certificate.encode())
    try:
        certificate.verify_directly_issued_by(signer)
    except Exception:  # noqa: BLE001 - whatever it is, it is not ours
        return False
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    named = {str(one.value) for one in extension.value}
    return named == set(addresses) and certificate.not_valid_after_utc - now > RENEW_BEFORE


def days_left(certificate: str, now: datetime) -> int:
    """Return how many days a certificate is still good for."""
    return (x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc - now).days


def good_until(certificate: str) -> datetime:
    """Return the moment at which a certificate ends, in UTC."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey,
    span: tuple[datetime, datetime],
) -> x509.CertificateBuilder:  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0])
        .not_valid_after(span[1])
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(pem).decode(), private.decode())

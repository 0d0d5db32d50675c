"""A certificate authority of one's own and the server's certificate, made once and kept in the folder."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = timedelta(days=3650)
_NAMES = ("localhost", "*.localhost")
_ADDRESSES = ("127.0.0.1", "::1")


def server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The server's TLS settings and the path of the CA certificate clients verify it with.

    Args:
        folder: holds `ca.crt`, `server.crt` and `server.key`; made when they are not there.
    """
    authority, certificate, key = certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context, authority


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """The certificates of an authority and of what it has signed, which serves and is served, and the key of that.

    Args:
        folder: holds `ca.crt`, `server.crt` and `server.key`; made when they are not there. The authority's own key is
            kept nowhere, so that whoever shows the certificate has the key that lies here.
    """
    authority, certificate, key = folder / "ca.crt", folder / "server.crt", folder / "server.key"
    if not (authority.exists() and certificate.exists() and key.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        _make(authority, certificate, key)
    return authority, certificate, key


def client_context(folder: Path) -> ssl.SSLContext:
    """TLS settings of a client of servers that ask for the certificate of the folder, and show it."""
    authority, certificate, key = certificates(folder)
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(certificate, key)
    return context


def _make(authority: Path, certificate: Path, key: Path) -> None:
    root_key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _builder("cloud-etl local CA", "cloud-etl local CA", root_key.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(_usage(signs=True), critical=True)
    own = _builder("localhost", "cloud-etl local CA", own_key.public_key())
    own = own.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    own = own.add_extension(x509.SubjectAlternativeName(_alternatives()), critical=False)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    own = own.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    own = own.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    key.touch(mode=0o600)
    key.write_bytes(
        own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(own.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    authority.write_bytes(root.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    started = datetime.now(UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.not_valid_before(started).not_valid_after(started + _YEARS)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternatives() -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in _NAMES]
    return names + [x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES]


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip

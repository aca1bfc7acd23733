"""NATS behind TLS: whoever is told of an authority trusts no other, and speaks to nobody in clear."""

import asyncio
import datetime
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parley_shared.embedded import free_port, nats_command, port_is_taken
from parley_shared.messaging.connection import Bus

Key = ec.EllipticCurvePrivateKey


def certificate(name: str, key: Key, signer: tuple[str, Key], *, ca: bool) -> bytes:
    """PEM; of a server at 127.0.0.1, or of an authority."""

    def named(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

    now = datetime.datetime.now(datetime.UTC)
    # Python 3.13 takes no authority that does not say that it may sign, and nobody who does not say by which key.
    signing = {"key_cert_sign": ca, "crl_sign": ca, "digital_signature": not ca}
    usage = x509.KeyUsage(
        **signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(signer[0]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[1].public_key()), critical=False)
        .sign(signer[1], hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: ours.crt, another.crt, and server.crt with server.key, signed by ours."""
    folder = tmp_path_factory.mktemp("tls")
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ours", "another", "server")}
    for name in ("ours", "another"):
        (folder / f"{name}.crt").write_bytes(certificate(name, keys[name], (name, keys[name]), ca=True))
    (folder / "server.crt").write_bytes(certificate("server", keys["server"], ("ours", keys["ours"]), ca=False))
    (folder / "server.key").write_bytes(
        keys["server"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder


def serve(folder: Path, text: str) -> Iterator[int]:
    port = free_port()
    (folder / "server.conf").write_text(f'listen: "127.0.0.1:{port}"\n{text}')
    process = subprocess.Popen(nats_command(folder / "server.conf"), stderr=subprocess.DEVNULL)
    try:
        while not port_is_taken("127.0.0.1", port):
            assert process.poll() is None
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def tls(authorities: Path) -> Iterator[int]:
    yield from serve(
        authorities,
        f'tls {{ cert_file: "{authorities}/server.crt", key_file: "{authorities}/server.key", handshake_first: true }}',
    )


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    yield from serve(tmp_path_factory.mktemp("clear"), "")


async def connects(url: str, ca: Path | None) -> bool:
    """Within a second; `connect` would try for ever."""
    bus = Bus(url, name="test", user="", password="", ca=ca)
    try:
        async with asyncio.timeout(1):
            await bus.connect()
    except TimeoutError:
        return False
    else:
        return True
    finally:
        await bus.close()


async def test_whoever_is_told_of_the_authority_connects(tls: int, authorities: Path) -> None:
    assert await connects(f"tls://127.0.0.1:{tls}", authorities / "ours.crt")


async def test_a_server_of_another_authority_is_not_trusted_and_the_log_says_so_once(
    tls: int, authorities: Path
) -> None:
    with structlog.testing.capture_logs() as lines:
        assert not await connects(f"tls://127.0.0.1:{tls}", authorities / "another.crt")
    [said] = [line for line in lines if line["log_level"] == "warning"]
    assert said["event"] == "nats.unreachable"
    assert "CERTIFICATE_VERIFY_FAILED" in said["error"]


async def test_certificates_are_what_the_newest_python_asks_for(tls: int, authorities: Path) -> None:
    trust = ssl.create_default_context(cafile=authorities / "ours.crt")
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    _, writer = await asyncio.open_connection("127.0.0.1", tls, ssl=trust)
    writer.close()


async def test_who_wants_tls_does_not_speak_in_clear(clear: int, authorities: Path) -> None:
    assert await connects(f"nats://127.0.0.1:{clear}", None)
    assert not await connects(f"nats://127.0.0.1:{clear}", authorities / "ours.crt")

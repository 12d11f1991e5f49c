"""The certificate, the key and the authorities of clients that TLS uses: read from files, checked, and followed."""

import asyncio
import json
import logging
import ssl
import stat
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

from service.memfd import file_in_memory
from service.settings import Settings

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
"""Seconds between two looks at the files."""
_SOON_S = 14 * 24 * 3600
"""Seconds before the end of a certificate from which on the log warns; usual renewals come 30 days before it."""
_MAX_FILE_BYTES = 1024 * 1024
"""Limit of each file. The authorities that browsers trust are 250 KB altogether."""
_UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_VERSION = 0x17, 0x18, 0xA0
"""Tags of DER that occur in a certificate before the end of its validity (RFC 5280, 4.1)."""
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


class CertificateError(Exception):
    """The files for TLS cannot be used. The message is a sentence that says which one and what to change."""


class PemFile(NamedTuple):
    """A file in PEM format: its path as the operator wrote it, and its content."""

    name: str
    content: bytes


class Validity(NamedTuple):
    """The time in which a certificate is valid, in seconds since 1970."""

    begins: float
    ends: float


@dataclass(frozen=True)
class TlsMaterial:
    """What a TLS context is made of.

    certificate: the server's own certificate first, then those between it and the root. key: its private key, which may
    be in the same file. client_ca: the authorities whose clients are let in; None to let in all.
    """

    certificate: PemFile
    key: PemFile
    client_ca: PemFile | None = None

    def to_json(self) -> bytes:
        """Return the material for a message to another process of the service."""
        files = (self.certificate, self.key, self.client_ca)
        return json.dumps([each and (each.name, each.content.decode("latin-1")) for each in files]).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "TlsMaterial":
        """Read what `to_json` has written."""
        return cls(*(each and PemFile(each[0], each[1].encode("latin-1")) for each in json.loads(text)))

    @property
    def validity(self) -> Validity:
        """The time in which the server's own certificate is valid. Raises CertificateError."""
        return _validity_of(self.certificate)


class Certificates:
    """The files that the settings name, and what is in force of them.

    They are looked at by their paths, so that a renewal is noticed whether it writes into the files, replaces them, or
    points a link to others, as Kubernetes does.
    """

    def __init__(self, settings: Settings) -> None:
        """Read and check the files. Raises CertificateError."""
        assert settings.tls_certificate is not None
        self._paths = (settings.tls_certificate, settings.tls_key or settings.tls_certificate, settings.tls_client_ca)
        self._stamp = self._stamp_now()
        self.material = self._read()
        self._refusal = self._warned = ""
        logger.info("the TLS certificate in %s is valid until %s", self._paths[0], _date(self.material.validity.ends))
        self._warn()

    async def follow(self, on_change: Callable[[TlsMaterial], None]) -> None:
        """Look at the files for ever. on_change: called with what is in force from now on."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if await asyncio.to_thread(self.look):
                on_change(self.material)

    def look(self) -> bool:
        """Take changed files, if they can be used, and return whether other ones are in force than before.

        Files that cannot be used are read again with each look, and each reason is logged once; what was in force
        before stays.
        """
        stamp = self._stamp_now()
        changed = False
        if stamp != self._stamp or self._refusal:
            try:
                changed = self._take(self._read())
                self._stamp = stamp
            except (CertificateError, OSError) as error:
                if str(error) != self._refusal:
                    logger.error("%s; the TLS certificate of before stays in force", error)
                self._refusal = str(error)
        self._warn()
        return changed

    def _take(self, material: TlsMaterial) -> bool:
        if material == self.material:
            if self._refusal:
                logger.info("the TLS files are those in force again")
            self._refusal = ""
            return False
        ends = material.validity.ends
        if ends <= time.time():
            raise CertificateError(f"the new certificate in {self._paths[0]} has expired on {_date(ends)}; renew it")
        self.material, self._refusal, self._warned = material, "", ""
        logger.info(
            "changed TLS files are in force; the certificate in %s is valid until %s", self._paths[0], _date(ends)
        )
        return True

    def _read(self) -> TlsMaterial:
        """Return the content of the files, of which a context can be made. Raises CertificateError."""
        certificate, key, client_ca = self._paths
        own = _read_file(certificate, "--tls-certificate")
        material = TlsMaterial(
            own,
            own if key == certificate else _read_file(key, "--tls-key"),
            None if client_ca is None else _read_file(client_ca, "--tls-client-ca"),
        )
        new_context(material)
        return material

    def _stamp_now(self) -> tuple[object, ...]:
        """Return what differs after a change of the files, without reading them."""
        return tuple(None if path is None else _stamp_of(path) for path in self._paths)

    def _warn(self) -> None:
        """Log once that the certificate is not valid yet, ends soon, or has ended."""
        begins, ends = self.material.validity
        now = time.time()
        if now < begins:
            warning = f"is not valid before {_date(begins)}; clients refuse it until then"
        elif ends <= now:
            warning = f"has expired on {_date(ends)}; clients refuse it: renew it"
        elif ends - now < _SOON_S:
            warning = f"expires on {_date(ends)}, in less than {-int((now - ends) // 86400)} days; renew it"
        else:
            warning = ""
        kind = warning.partition(" ")[0]
        if warning and kind != self._warned:
            logger.warning("the TLS certificate in %s %s", self._paths[0], warning)
        self._warned = kind


def new_context(material: TlsMaterial) -> ssl.SSLContext:
    """Return a context of a server with TLS 1.2 and later, which speaks HTTP/1.1. Raises CertificateError.

    Each change makes a new context: loading a pair into one that is in use would break it for all new connections if
    the key did not belong to the certificate, and an authority could never be taken away from it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # a client of TLS 1.2 could ask for costly ones again and again
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, material.certificate, material.key)
    _validity_of(material.certificate)
    if material.client_ca is not None:
        _load_authorities(context, material.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_pair(context: ssl.SSLContext, certificate: PemFile, key: PemFile) -> None:
    if _BEGIN not in certificate.content:
        raise CertificateError(f"{certificate.name} holds no certificate in PEM format; see --tls-certificate")
    if b"PRIVATE KEY-----" not in key.content:
        raise CertificateError(f"{key.name} holds no private key in PEM format; see --tls-key")

    def refuse_encrypted() -> NoReturn:
        command = f"openssl pkey -in {key.name} -out FILE"
        raise CertificateError(f"the private key in {key.name} is encrypted; write it without a passphrase: {command}")

    with (
        file_in_memory("snellen-certificate", certificate.content) as chain,
        file_in_memory("snellen-key", key.content) as private,
    ):
        try:
            context.load_cert_chain(chain, private, password=refuse_encrypted)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise CertificateError(
                    f"the private key in {key.name} does not belong to the first certificate in {certificate.name}; "
                    "the server's own certificate comes before those that signed it"
                ) from error
            raise CertificateError(
                f"{certificate.name} with {key.name} cannot be used for TLS: OpenSSL says {_reason(error)}"
            ) from error


def _load_authorities(context: ssl.SSLContext, authorities: PemFile) -> None:
    with file_in_memory("snellen-client-ca", authorities.content) as file:
        try:
            context.load_verify_locations(file)
        except ssl.SSLError as error:
            raise CertificateError(
                f"{authorities.name} holds no certificates in PEM format that OpenSSL can read; see --tls-client-ca"
            ) from error


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "that its PEM format is damaged").replace("_", " ").lower()


def _read_file(path: Path, option: str) -> PemFile:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CertificateError(f"{path} is no file; see {option}")
        if status.st_size > _MAX_FILE_BYTES:
            raise CertificateError(f"{path} is larger than 1 MiB, so it is no file for {option}")
        return PemFile(str(path), path.read_bytes())
    except OSError as error:
        raise CertificateError(f"cannot read {path}: {error.strerror or error}; see {option}") from error


def _stamp_of(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _validity_of(certificate: PemFile) -> Validity:
    """Return the validity of the first certificate of a file, which Python's `ssl` does not offer for one's own.

    Raises CertificateError.
    """
    body = certificate.content.partition(_BEGIN)[2].partition(_END)[0]
    try:
        fields = _elements(_elements(_elements(b64decode(body))[0][1])[0][1])  # certificate -> to be signed -> fields
        if fields[0][0] == _EXPLICIT_VERSION:
            fields = fields[1:]
        begins, ends = _elements(fields[3][1])  # after serial number, algorithm and issuer
        return Validity(_seconds(*begins), _seconds(*ends))
    except (NotBase64, IndexError, ValueError) as error:
        message = f"the first certificate in {certificate.name} cannot be read; see --tls-certificate"
        raise CertificateError(message) from error


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of each element of a sequence in DER (X.690, 8.1)."""
    found, at = list[tuple[int, bytes]](), 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        found.append((tag, der[at : at + length]))
        at += length
    return found


def _seconds(tag: int, text: bytes) -> float:
    """Return seconds since 1970; years of two digits lie between 1950 and 2049 (RFC 5280, 4.1.2.5)."""
    if tag == _UTC_TIME:
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"tag {tag:#x} is no time")
    return datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()

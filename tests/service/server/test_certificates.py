"""The files for TLS: what is refused and why, what is said about the time, and how changes are taken."""

import asyncio
import logging
import os
import re
import resource
import shutil
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from service.server.certificates import CertificateError, Certificates, TlsMaterial, new_context
from service.settings import Settings
from tests.support.certificates import DAY, Authority, openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.sign(certificate, key)
    return certificate, key


def certificates(certificate: Path, key: Path | None = None, client_ca: Path | None = None) -> Certificates:
    return Certificates(Settings(tls_certificate=certificate, tls_key=key, tls_client_ca=client_ca))


def another(authority: Authority, folder: Path, ends: timedelta = 100 * DAY) -> tuple[Path, Path]:
    authority.sign(folder / "new.crt", folder / "new.key", ends=ends)
    return folder / "new.crt", folder / "new.key"


def replace(pair: tuple[Path, Path], new: tuple[Path, Path]) -> None:
    for old, changed in zip(pair, new, strict=True):
        changed.replace(old)


def encrypt(pair: tuple[Path, Path]) -> None:
    openssl("pkey", "-in", pair[1], "-aes256", "-passout", "pass:secret", "-out", f"{pair[1]}.new")
    Path(f"{pair[1]}.new").replace(pair[1])


def der(pair: tuple[Path, Path]) -> None:
    openssl("x509", "-in", pair[0], "-outform", "der", "-out", f"{pair[0]}.new")
    Path(f"{pair[0]}.new").replace(pair[0])


def folder(pair: tuple[Path, Path]) -> None:
    pair[0].unlink()
    pair[0].mkdir()


def damage(pair: tuple[Path, Path]) -> None:
    lines = pair[0].read_text().splitlines()
    pair[0].write_text("\n".join([lines[0], "QUJD", *lines[-1:], ""]))


def other_key(pair: tuple[Path, Path]) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pair[1])


def weak_key(pair: tuple[Path, Path]) -> None:
    openssl(
        *("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", pair[1], "-subj", "/CN=weak", "-out", pair[0])
    )


BROKEN: dict[str, tuple[Callable[[tuple[Path, Path]], object], str]] = {
    "gone": (
        lambda pair: pair[0].unlink(),
        r"cannot read \S+tls.crt: No such file or directory; see --tls-certificate",
    ),
    "no key file": (lambda pair: pair[1].unlink(), r"cannot read \S+tls.key: No such file .*; see --tls-key"),
    "folder": (folder, r"tls.crt is no file; see --tls-certificate"),
    "large": (
        lambda pair: os.truncate(pair[1], 2**21),
        r"tls.key is larger than 1 MiB, so it is no file for --tls-key",
    ),
    "empty": (lambda pair: pair[0].write_bytes(b""), r"tls.crt holds no certificate in PEM format"),
    "exchanged": (lambda pair: shutil.copy(pair[1], pair[0]), r"tls.crt holds no certificate in PEM format"),
    "no key": (
        lambda pair: shutil.copy(pair[0], pair[1]),
        r"tls.key holds no private key in PEM format; see --tls-key",
    ),
    "DER": (der, r"tls.crt holds no certificate in PEM format"),
    "encrypted": (encrypt, r"tls.key is encrypted; write it without a passphrase: openssl pkey -in \S+tls.key"),
    "mismatch": (other_key, r"key in \S+tls.key does not belong to the first certificate in \S+tls.crt"),
    "damaged": (damage, r"tls.crt with \S+tls.key cannot be used for TLS: OpenSSL says"),
    "weak": (weak_key, r"OpenSSL says ee key too small"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_used_is_refused_with_a_sentence(pair: tuple[Path, Path], name: str) -> None:
    """Which names the file and what to change; nothing asks for a passphrase."""
    do, sentence = BROKEN[name]
    do(pair)
    with pytest.raises(CertificateError, match=sentence) as refused:
        certificates(*pair)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"]
)
def test_authorities_of_clients_that_are_none_are_refused(pair: tuple[Path, Path], content: bytes) -> None:
    """Instead of letting in nobody, or all."""
    (pair[0].parent / "clients.crt").write_bytes(content)
    with pytest.raises(CertificateError, match=r"clients.crt holds no certificates in PEM format .*--tls-client-ca"):
        certificates(*pair, pair[0].parent / "clients.crt")


def test_the_key_may_be_in_the_file_of_the_certificate(pair: tuple[Path, Path]) -> None:
    """As some tools write it, before or behind it."""
    both = pair[0].parent / "both.pem"
    both.write_bytes(pair[1].read_bytes() + pair[0].read_bytes())
    new_context(certificates(both).material)


def test_tls_begins_with_1_2_and_speaks_http_1_1(pair: tuple[Path, Path]) -> None:
    """Clients are asked for a certificate only where authorities are given."""
    context = new_context(certificates(*pair).material)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    asking = new_context(certificates(*pair, pair[0]).material)
    assert asking.verify_mode == ssl.CERT_REQUIRED


def test_the_material_is_the_same_in_another_process(pair: tuple[Path, Path]) -> None:
    """With and without authorities of clients."""
    for each in (certificates(*pair).material, certificates(*pair, pair[0]).material):
        assert TlsMaterial.from_json(each.to_json()) == each


@pytest.mark.parametrize("days", [365, 40 * 365])
def test_the_end_of_a_certificate_is_read(authority: Authority, tmp_path: Path, days: int) -> None:
    """Also behind 2049, where certificates write four digits of the year; OpenSSL says the same."""
    certificate, key = another(authority, tmp_path, ends=days * DAY)
    ends = certificates(certificate, key).material.validity.ends
    said = openssl("x509", "-in", certificate, "-noout", "-enddate").strip().partition("=")[2]
    assert ends == ssl.cert_time_to_seconds(said)
    assert abs(ends - time.time() - days * DAY.total_seconds()) < 60


@pytest.mark.parametrize(
    ("begins", "ends", "warning"),
    [
        (-3 * DAY, -2 * DAY, "has expired on "),
        (-3 * DAY, 13 * DAY, "in less than 13 days; renew it"),
        (2 * DAY, 90 * DAY, "is not valid before "),
        (-3 * DAY, 15 * DAY, None),
    ],
)
def test_a_certificate_that_clients_will_refuse_is_warned_of(
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    begins: timedelta,
    ends: timedelta,
    warning: str | None,
) -> None:
    """Once, with the date; the service starts."""
    authority.sign(tmp_path / "a.crt", tmp_path / "a.key", begins, ends)
    found = certificates(tmp_path / "a.crt", tmp_path / "a.key")
    found.look()
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == (warning is not None)
    assert all(warning in each and "UTC" in each for each in warnings if warning)


def test_the_warning_comes_when_the_time_has_come(
    pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the service runs: first that the end is near, then that it was; not with each look."""
    found, now = certificates(*pair), time.time()
    for days in (1, 300, 352, 353, 366, 367):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * DAY.total_seconds())
        found.look()
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["expires on" in warnings[0], "has expired" in warnings[1], len(warnings)] == [True, True, 2]


def test_a_renewed_pair_is_taken_however_it_is_written(
    authority: Authority, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    """Into the same files, or in their place; without a change nothing happens."""
    found = certificates(*pair)
    assert not found.look()
    for write in (shutil.copy, shutil.move):
        for new, old in zip(another(authority, tmp_path), pair, strict=True):
            write(new, old)
        assert found.look()
        assert found.material.certificate.content == pair[0].read_bytes()
        assert not found.look()


def test_a_link_of_kubernetes_is_followed(authority: Authority, tmp_path: Path) -> None:
    """The paths stay the same, and so may time and size: a folder behind a link is exchanged for another."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        authority.sign(tmp_path / name / "tls.crt", tmp_path / name / "tls.key")
    (tmp_path / "..data").symlink_to("first")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    found = certificates(tmp_path / "tls.crt", tmp_path / "tls.key")
    (tmp_path / "..new").symlink_to("second")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert found.look()
    assert found.material.key.content == (tmp_path / "second/tls.key").read_bytes()


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"folder"}))
def test_a_broken_pair_leaves_the_one_in_force(
    authority: Authority, pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture, tmp_path: Path, name: str
) -> None:
    """It is logged once, with the reason; the next pair that can be used is taken."""
    found = certificates(*pair)
    before = found.material
    do, sentence = BROKEN[name]
    do(pair)
    assert not any(found.look() for _ in range(3))
    assert found.material is before
    (error,) = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert re.search(sentence, error)
    assert error.endswith("the TLS certificate of before stays in force")
    replace(pair, another(authority, tmp_path))
    assert found.look()


def test_an_expired_pair_leaves_the_one_in_force(
    authority: Authority, pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Clients would refuse it."""
    found = certificates(*pair)
    authority.sign(tmp_path / "old.crt", tmp_path / "old.key", -9 * DAY, -2 * DAY)
    replace(pair, (tmp_path / "old.crt", tmp_path / "old.key"))
    assert not found.look()
    assert "has expired on" in caplog.records[-1].message


def test_what_passes_by_itself_needs_no_other_change(
    authority: Authority, pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Such as a key that comes a moment after its certificate, or a lack of descriptors; each reason is logged once."""
    found = certificates(*pair)
    new = another(authority, tmp_path)
    new[0].replace(pair[0])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        assert not any(found.look() for _ in range(3))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not any(found.look() for _ in range(3))
    new[1].replace(pair[1])
    assert found.look()
    errors = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert ["Too many open files" in errors[0], "does not belong to" in errors[1], len(errors)] == [True, True, 2]


def test_files_that_come_back_are_no_new_ones(pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    """The log says that all is well again."""
    caplog.set_level(logging.INFO)
    found = certificates(*pair)
    away = pair[0].rename(pair[0].with_suffix(".away"))
    assert not found.look()
    away.rename(pair[0])
    assert not found.look()
    assert caplog.records[-1].message == "the TLS files are those in force again"


async def test_changes_are_followed(authority: Authority, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Within a few seconds."""
    found, taken = certificates(*pair), asyncio.Queue[TlsMaterial]()
    following = asyncio.ensure_future(found.follow(taken.put_nowait))
    new = another(authority, tmp_path)
    content = new[0].read_bytes()
    replace(pair, new)
    async with asyncio.timeout(20):
        while (await taken.get()).certificate.content != content:
            pass
    following.cancel()

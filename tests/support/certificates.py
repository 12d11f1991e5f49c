"""Certificates that the openssl command makes: an authority, and what it signs."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAY = timedelta(days=1)
NAMES = "DNS:localhost,DNS:photos.example,IP:127.0.0.1,IP:::1"
CONFIGURATION = """
[ca]
default_ca = own
[own]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


def openssl(*arguments: str | Path) -> str:
    """Run the command and return what it prints."""
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        folder.mkdir()
        self._folder = folder
        self.certificate, self._key = folder / "ca.crt", folder / "ca.key"
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000")
        (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
        self._new_key(self._key)
        openssl(
            *("req", "-x509", "-key", self._key, "-subj", f"/CN={name} authority", "-days", "3650"),
            *("-out", self.certificate),
        )

    @staticmethod
    def _new_key(path: Path) -> None:
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)

    def sign(
        self, certificate: Path, key: Path, begins: timedelta = -DAY, ends: timedelta = 365 * DAY, name: str = "server"
    ) -> None:
        """Write a new key and its certificate. begins, ends: from now."""
        request, now = self._folder / "request.csr", datetime.now(UTC)
        self._new_key(key)
        extensions = ("-addext", f"subjectAltName={NAMES}", "-addext", "extendedKeyUsage=serverAuth,clientAuth")
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", *extensions, "-out", request)
        times = [f"{now + each:%Y%m%d%H%M%SZ}" for each in (begins, ends)]
        openssl(
            *("ca", "-batch", "-notext", "-config", self._folder / "ca.cnf", "-keyfile", self._key),
            *("-cert", self.certificate, "-startdate", times[0], "-enddate", times[1], "-in", request),
            *("-out", certificate),
        )

    def context(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Return a context for clients that trust this authority. pair: their certificate and key."""
        context = ssl.create_default_context(cafile=self.certificate)
        if pair is not None:
            context.load_cert_chain(*pair)
        return context

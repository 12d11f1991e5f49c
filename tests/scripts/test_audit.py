"""What is known of pinned packages, and that silence of the advisory service is no good news."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts.audit import FOUND, NOT_AUDITED, judged
from tests.conftest import ROOT

FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}


@pytest.mark.parametrize(
    ("packages", "status", "last"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 packages audited, 0 known vulnerabilities"),
        ([{"name": "a", "version": "1", "vulns": [FLAW]}] * 2, FOUND, "1 packages audited, 1 known vulnerabilities"),
        (
            [{"name": "a", "skip_reason": "not found"}, {"name": "b", "version": "2", "vulns": []}],
            NOT_AUDITED,
            "NOT AUDITED: the advisory service knows nothing of 1 packages: a; where these are all, it was not reached",
        ),
        (
            [{"name": name, "skip_reason": ""} for name in "abcd"] + [{"name": "e", "version": "1", "vulns": [FLAW]}],
            FOUND,
            "NOT AUDITED: the advisory service knows nothing of 4 packages: a, b, c, ...; where these are all, it was "
            "not reached",
        ),
    ],
)
def test_only_a_package_that_was_looked_up_can_be_in_order(
    packages: list[dict[str, object]], status: int, last: str
) -> None:
    """A package in several files counts once."""
    assert (judged(packages)[0], judged(packages)[1][-1]) == (status, last)


@contextmanager
def advisories(flawed: str) -> Iterator[str]:
    """An advisory service that knows a flaw of one package, in the format of OSV; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
            affected = {
                "package": {"name": asked, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
            }
            known = {"vulns": [{"id": "PYSEC-2026-1", "summary": "a flaw", "affected": [affected]}]}
            body = json.dumps(known if asked == flawed else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pip_audit_is_read_as_it_answers(tmp_path: Path) -> None:
    """By the real program, and an advisory service on this machine: a flaw, none, and no service."""
    subprocess.run(["make", "--silent", "build/audit/.made"], cwd=ROOT, check=True, capture_output=True)

    def audit(url: str) -> tuple[int, str]:
        program = str(ROOT / "build" / "audit" / "bin" / "python")
        options = ("--vulnerability-service=osv", f"--osv-url={url}", f"--cache-dir={tmp_path}")
        command = [program, "-m", "scripts.audit", *options, "requirements/cpu.txt", "requirements/torch.txt"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert not done.stderr
        return done.returncode, done.stdout

    with advisories("pillow") as url:
        status, text = audit(url)
    assert (status, "PYSEC-2026-1, corrected in 999" in text, text.count("PYSEC")) == (FOUND, True, 1)
    with advisories("none") as url:
        status, text = audit(url)
    assert (status, "0 known vulnerabilities" in text, "NOT AUDITED" in text) == (0, True, False)
    status, text = audit(url)
    assert (status, text.startswith("audit: NOT AUDITED: no answer of the advisory service for")) == (NOT_AUDITED, True)

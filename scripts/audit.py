"""Ask an advisory service about all pinned packages: `python -m scripts.audit FILE...`, as `make audit` does.

pip-audit does the work. It ends with status 0 where the service does not know the packages, so its answer is read here:
a package that was not looked up is a failure, and never counts as one without vulnerabilities.
Options of pip-audit may stand among the files, as `--vulnerability-service=osv`.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FOUND, NOT_AUDITED = 1, 2
"""Exit statuses: known vulnerabilities, and packages that nothing is known of."""
_SHOWN = 3


def command(options: Sequence[str], file: str) -> list[str]:
    """Return the command line of pip-audit for one file, which pins everything: nothing is resolved or installed."""
    fixed = ("--format", "json", "--progress-spinner", "off", "--no-deps", "--disable-pip")
    return [sys.executable, "-m", "pip_audit", *fixed, *options, "--requirement", file]


def judged(packages: Iterable[Mapping[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print for the packages of pip-audit's reports."""
    by_key = {(each["name"], each.get("version", "")): each for each in packages}
    found = [
        f"{name} {version}: {flaw['id']}, corrected in {', '.join(flaw['fix_versions']) or 'no version'}"
        for (name, version), each in sorted(by_key.items())
        for flaw in each.get("vulns", ())
    ]
    skipped = sorted(name for (name, _), each in by_key.items() if "skip_reason" in each)
    lines = [*found, f"{len(by_key) - len(skipped)} packages audited, {len(found)} known vulnerabilities"]
    if skipped:
        names = ", ".join(skipped[:_SHOWN]) + ", ..." * (len(skipped) > _SHOWN)
        lines.append(
            f"NOT AUDITED: the advisory service knows nothing of {len(skipped)} packages: {names}; "
            "where these are all, it was not reached"
        )
    return (FOUND if found else NOT_AUDITED if skipped else 0), lines


def main(arguments: Sequence[str]) -> int:
    """Audit the files, and return the exit status."""
    files = [each for each in arguments if each.endswith(".txt")]
    options = [each for each in arguments if each not in files]
    packages = list[Mapping[str, Any]]()
    for file in files:
        done = subprocess.run(command(options, file), capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        try:
            packages += json.loads(done.stdout)["dependencies"]
        except ValueError:
            reason = (done.stderr.strip().splitlines() or ["pip-audit has printed nothing"])[-1]
            sys.stdout.write(f"audit: NOT AUDITED: no answer of the advisory service for {file}: {reason}\n")
            return NOT_AUDITED
    status, lines = judged(packages)
    sys.stdout.write("".join(f"audit: {line}\n" for line in lines))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

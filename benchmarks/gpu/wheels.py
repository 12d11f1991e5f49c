"""A folder of wheels from a folder that may hold some of them in parts: `python3 wheels.py FROM TO`; no dependencies.

Parts are called NAME.whl.00.part, NAME.whl.01.part ..., as this makes them:
`split -b 60M -d --additional-suffix=.part NAME.whl NAME.whl.`
"""

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

_PART = re.compile(r"(?P<wheel>.+\.whl)\.(?P<number>\d+)\.part")


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of parts by wheel, in order. Raises ValueError for a name that is none, and where a number is missing."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _PART.fullmatch(name)
        if match is None:
            raise ValueError(f"{name} is no part of a wheel: they are called NAME.whl.00.part")
        found.setdefault(match["wheel"], {})[int(match["number"])] = name
    for wheel, parts in found.items():
        if missing := set(range(len(parts))) - parts.keys():
            raise ValueError(f"{wheel}: part {min(missing)} is missing")
    return {wheel: [parts[number] for number in sorted(parts)] for wheel, parts in found.items()}


def collect(source: Path, target: Path) -> list[Path]:
    """Copy whole wheels, put the others together. Returns them by name. Raises ValueError, OSError."""
    target.mkdir(parents=True, exist_ok=True)
    made = [Path(shutil.copy(wheel, target)) for wheel in source.glob("*.whl")]
    for wheel, parts in grouped(path.name for path in source.glob("*.part")).items():
        with (target / wheel).open("wb") as whole:
            for name in parts:
                with (source / name).open("rb") as part:
                    shutil.copyfileobj(part, whole)
        made.append(target / wheel)
    if not made:
        raise ValueError(f"{source} holds no wheels")
    return sorted(made)


if __name__ == "__main__":
    try:
        collect(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, ValueError) as error:
        sys.exit(str(error))

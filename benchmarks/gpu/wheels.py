"""Copy wheels to a folder and join those that are in parts: `python3 wheels.py FROM TO`; no dependencies.

Parts are called NAME.whl.00.part, NAME.whl.01.part ..., as this command creates them:
`split -b 60M -d --additional-suffix=.part NAME.whl NAME.whl.`
"""

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

_PART = re.compile(r"(?P<wheel>.+\.whl)\.(?P<number>\d+)\.part")


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the parts of each wheel in order. Raises ValueError for another name and for a missing part."""
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
    """Copy whole wheels and join the others. Return their paths by name. Raises ValueError, OSError."""
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

"""Which versions a service of several processes serves.

The first process decides, and restarted ones serve the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ServedVersions:
    """The versions of a service.

    hashes: sha256 of the manifest by version, as in `imagenet/1`. failed: those that were rejected at load.
    default_model: the model that answers where none is named; None if there is no such model.
    """

    hashes: Mapping[str, str]
    failed: frozenset[str] = frozenset()
    default_model: str | None = None

    def to_json(self) -> bytes:
        """Return JSON for `from_json` in another process."""
        return json.dumps(
            {"hashes": dict(self.hashes), "failed": sorted(self.failed), "default_model": self.default_model}
        ).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "ServedVersions":
        """Read what `to_json` wrote."""
        read = json.loads(text)
        return cls(read["hashes"], frozenset(read["failed"]), read["default_model"])

    def difference(self, hashes: Mapping[str, str]) -> str | None:
        """Return how a folder with these hashes differs from what is served, for the log.

        None if it holds all served versions.
        """
        gone = sorted(name for name in self.hashes if name not in hashes)
        changed = sorted(name for name, sha256 in self.hashes.items() if hashes.get(name, sha256) != sha256)
        reasons = [f"{_some(gone)} cannot be read any more"] * bool(gone)
        reasons += [f"{_some(changed)} has another manifest than the one that was verified"] * bool(changed)
        return "; ".join(reasons) or None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

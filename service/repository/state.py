"""What the service serves, as one value that every process gets: versions with their states, and the defaults."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

State = Literal["discovered", "verifying", "warming", "ready", "retiring", "gone", "failed"]
"""The life of a version.

discovered: it lies in the repository folder. verifying: a process of its own checks hashes, graph and golden images.
warming: it is measured, and then opened by the processes that will serve it. ready: it answers requests. retiring:
accepted requests are answered, new ones are not taken. gone: its memory is free. failed: it was refused, for a reason.
"""


@dataclass(frozen=True)
class VersionRecord:
    """One version of one model.

    name: model and version, as in `imagenet/1`. sha256: of its manifest. reason: why it failed, or what is wrong with
    its folder although it serves. profile: the measurements of the process that checked it, as JSON.
    """

    name: str
    sha256: str
    state: State = "discovered"
    reason: str | None = None
    profile: Mapping[str, Any] | None = None

    @property
    def model(self) -> str:
        return self.name.partition("/")[0]

    @property
    def number(self) -> int:
        return int(self.name.partition("/")[2])


@dataclass(frozen=True)
class RepositoryState:
    """The state of a service, numbered by its changes.

    versions: by name. default_model: answers where no model is named; None if none does. defaults: by model, the
    version that answers where none is named. not_followed: by model, why its default is not the one that is wanted.
    passed_over: folders that are not served, and why. broken: models of which the folder holds a version that cannot
    be read.
    """

    number: int = 0
    versions: Mapping[str, VersionRecord] = field(default_factory=dict)
    default_model: str | None = None
    defaults: Mapping[str, int] = field(default_factory=dict)
    not_followed: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    @property
    def models(self) -> list[str]:
        """Names of the models with at least one version, sorted."""
        return sorted({record.model for record in self.versions.values()})

    def of(self, model: str) -> list[VersionRecord]:
        """Return the versions of a model, oldest first."""
        found = (record for record in self.versions.values() if record.model == model)
        return sorted(found, key=lambda record: record.number)

    def ready(self, model: str) -> list[int]:
        """Return the numbers of the ready versions of a model, oldest first."""
        return [record.number for record in self.of(model) if record.state == "ready"]

    def with_version(self, name: str, **changes: Any) -> "RepositoryState":
        """Return the state with another value in the record of a version."""
        return replace(self, versions={**self.versions, name: replace(self.versions[name], **changes)})

    def without(self, name: str) -> "RepositoryState":
        """Return the state without a version."""
        return replace(self, versions={key: record for key, record in self.versions.items() if key != name})

    def before_start(self) -> "RepositoryState":
        """Return the state while the processes open it for the first time: what is to become ready is `warming`."""
        warming = {
            name: replace(record, state="warming") if record.state == "ready" else record
            for name, record in self.versions.items()
        }
        return replace(self, versions=warming)

    def to_json(self) -> bytes:
        """Return JSON for `from_json` in another process."""
        return json.dumps({**asdict(self), "broken": sorted(self.broken)}).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "RepositoryState":
        """Read what `to_json` wrote."""
        read = json.loads(text)
        versions = {name: VersionRecord(**record) for name, record in read["versions"].items()}
        return cls(**{**read, "versions": versions, "broken": frozenset(read["broken"])})

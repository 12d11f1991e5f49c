"""All processes serve the same versions: what the first one has loaded, a process that starts later has to load too."""

from dataclasses import replace

from service.repository.served_versions import ServedVersions


class Agreement:
    """In the supervisor: what is served, and whether a process may serve with the others.

    engines: there are engine processes, so that a version may be refused by one of them and served by another.
    """

    def __init__(self, *, engines: bool) -> None:
        self._engines = engines
        self._all_loaded = False
        self.served: ServedVersions | None = None

    def found(self, told: ServedVersions) -> str | None:
        """Return why a process that has read the folder cannot serve with the others; None when it can."""
        if self.served is None:
            self.served = replace(told, failed=frozenset())
            return None
        return self.served.difference(told.hashes) or replace(told, failed=frozenset()).difference(self.served.hashes)

    def loaded(self, told: ServedVersions) -> str | None:
        """The same for a process that has loaded what it can."""
        if (reason := self.found(told)) is not None:
            return reason
        assert self.served is not None
        if not self._all_loaded:
            self._all_loaded = True
            self.served = told
        if self._engines or told.failed == self.served.failed:
            return None
        refused = ", ".join(sorted(told.failed ^ self.served.failed))
        return f"{refused} was refused at load in one process and served by another"

    def forget(self) -> None:
        """The next process decides: none is left that serves what was served."""
        self.served = None
        self._all_loaded = False

"""Makes all processes serve the same versions: later processes have to load what the first one has loaded."""

from dataclasses import replace

from service.repository.served_versions import ServedVersions


class Agreement:
    """Keeps, in the main process, which versions are served, and decides whether a process may serve them.

    engines: whether there are engine processes. If so, a version may be rejected by one of them and served by another.
    """

    def __init__(self, *, engines: bool) -> None:
        self._engines = engines
        self._all_loaded = False
        self.served: ServedVersions | None = None

    def found(self, versions: ServedVersions) -> str | None:
        """Return why a process that has read the folder may not serve with the others; None if it may."""
        if self.served is None:
            self.served = replace(versions, failed=frozenset())
        return self.served.difference(versions.hashes) or versions.difference(self.served.hashes)

    def loaded(self, versions: ServedVersions) -> str | None:
        """Return the same for a process that has loaded its versions."""
        reason = self.found(versions)
        if reason is not None or self._engines or self.served is None:
            return reason
        if not self._all_loaded:
            self._all_loaded, self.served = True, versions
        refused = ", ".join(sorted(versions.failed ^ self.served.failed))
        return f"{refused} was refused at load in one process and served by another" if refused else None

    def forget(self) -> None:
        """Let the next process decide, because no process is left that serves the agreed versions."""
        self.served = None
        self._all_loaded = False

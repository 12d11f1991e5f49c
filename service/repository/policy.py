"""The rules by which the repository folder decides what is served: defaults, and what may retire. Pure functions."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from service.repository.scan import LATEST, FoundRepository, RepositoryError
from service.repository.state import RepositoryState, VersionRecord

USUAL_DEFAULT = "imagenet"
"""Default model when the settings name none and there are several models, one of them of this name."""


def unnamed_default(models: Set[str]) -> str | None:
    """Return the default model where the settings name none: the only one, else the usual one if it is there."""
    if len(models) == 1:
        return next(iter(models))
    return USUAL_DEFAULT if USUAL_DEFAULT in models else None


def default_model_of(found: FoundRepository, wanted: str | None) -> str | None:
    """Return the default model, None if there are several and none is named. Raises RepositoryError.

    A model counts although its bundles cannot be read: no other model answers in its place.
    """
    models = {bundle.manifest.name for bundle in found.bundles.values()}
    names = {*models, *found.broken}
    if wanted is None:
        return unnamed_default(names)
    if wanted not in names:
        known = ", ".join(sorted(models))
        raise RepositoryError(f"the default model {wanted!r} is not there; set --default-model to one of {known}")
    return wanted


def with_defaults(state: RepositoryState, wanted: Mapping[str, str]) -> RepositoryState:
    """Return the state with the default version of each model that has a ready one.

    wanted: by model, `latest`, the number of a version, or what is wrong with its file `default`. A version that is
    wanted and not ready leaves the present default where it is; without a present one the model has no default, since
    another version would be a surprise.
    """
    defaults, not_followed = dict[str, int](), dict[str, str]()
    for model in state.models:
        ready, rule = state.ready(model), wanted.get(model, LATEST)
        if rule == LATEST:
            if ready:
                defaults[model] = ready[-1]
            continue
        if rule.isdecimal() and int(rule) in ready:
            defaults[model] = int(rule)
            continue
        if state.defaults.get(model) in ready:
            defaults[model] = state.defaults[model]
        not_followed[model] = _why_not(state, model, rule)
    return replace(state, defaults=defaults, not_followed=not_followed)


def _why_not(state: RepositoryState, model: str, rule: str) -> str:
    record = state.versions.get(f"{model}/{rule}")
    if record is not None:
        what = f"is {record.state}" + (f": {record.reason}" if record.reason else "")
        return f"the default version of {model} should be {rule}, which {what}"
    if rule.isdecimal():
        return f"the default version of {model} should be {rule}, which is not there"
    return f"the file {model}/default {rule}; write the number of a version, or latest"


def kept_without_folder(record: VersionRecord, ready: Sequence[int], rule: str) -> str:
    """Return why a version is served on although its folder is gone; empty if it is to retire.

    ready: numbers of the ready versions of its model. rule: which of them should be the default one.
    """
    if rule == str(record.number):
        return "its folder is gone; it serves on since it is the default version by the file default"
    if list(ready) == [record.number]:
        return "its folder is gone; it serves on since it is the last ready version of its model"
    return ""

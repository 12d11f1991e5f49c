"""The Helm chart, rendered by Helm's own code in a process of its own: its Go runtime handles signals as it likes."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
CHART = KUBERNETES / "snellen"


class RefusedError(Exception):
    """What Helm says of values that it does not take."""


def render(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the manifests of the chart for these values, as of `helm template demo --namespace prod`.

    Raises RefusedError where `helm install` would refuse the values.
    """
    return _manifests(_render(values))


def render_command(words: Sequence[str]) -> list[dict[str, Any]]:
    """Return the manifests of a `helm install` or `helm upgrade` of the chart, given as the words of the command."""
    files = [words[place + 1] for place, word in enumerate(words) if word == "--values"]
    sets = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    values: dict[str, Any] = {}
    for file in files:
        values |= yaml.safe_load((ROOT / file).read_text())
    return _manifests(_render(values, ",".join(sets)))


def notes(values: Mapping[str, Any]) -> str:
    """Return what `helm install` prints at its end."""
    return _render(values)["snellen/templates/NOTES.txt"]


def rendered_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return each manifest's file by the name of its template, without NOTES.txt."""
    return {name: text for name, text in _render(values).items() if name.endswith(".yaml")}


def one(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only manifest of this kind."""
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found


def pod_template(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the specification of the pods."""
    spec: dict[str, Any] = one(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def _manifests(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    yaml_texts = (text for name, text in texts.items() if name.endswith(".yaml"))
    return [part for text in yaml_texts for part in yaml.safe_load_all(text) if part]


def _render(values: Mapping[str, Any], sets: str = "") -> dict[str, str]:
    texts: dict[str, str] = json.loads(_rendered(json.dumps([values, sets])))
    return texts


@cache
def _rendered(asked: str) -> str:
    """Return the texts as JSON; a process takes a second, and many tests look at the same values."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.helm_chart"],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def _main() -> None:
    from helm_python import Chart, parse_set_string
    from helm_python.errors import HelmError

    try:
        values, sets = json.load(sys.stdin)
        with Chart.load(str(CHART)) as chart:
            texts = chart.render({**values, **(parse_set_string(sets) if sets else {})}, name="demo", namespace="prod")
    except HelmError as error:
        sys.exit(str(error))
    json.dump(texts, sys.stdout)


if __name__ == "__main__":
    _main()

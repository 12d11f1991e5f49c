"""Write what a container image holds as CycloneDX: `python -m scripts.sbom IMAGE FILE`, as `make sbom` does.

The image itself is asked, by a Python script that runs in it without network, so that the list says what is there and
not what should be: packages of Debian, Python packages in all folders, the interpreter, and the bundles of models.
Libraries that a wheel brings inside it, such as OpenBLAS in numpy, are part of that package and have no entry.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

BASE_NAME = "org.opencontainers.image.base.name"
"""Label of an image that names the image which it is built from."""
PROBE = r"""
import glob, hashlib, importlib.metadata, json, platform, re
patterns = ("/opt/*/lib/python3*/site-packages", "/usr/local/lib/python3*/*-packages", "/usr/lib/python3*/*-packages")
folders = sorted({found for pattern in patterns for found in glob.glob(pattern)})
packages = [
    {"name": each.metadata["Name"], "version": each.version, "folder": folder,
     "license": each.metadata.get("License-Expression") or ""}
    for folder in folders for each in importlib.metadata.distributions(path=[folder])
]
try:
    blocks = open("/var/lib/dpkg/status", encoding="utf-8").read().split("\n\n")
except FileNotFoundError:
    blocks = []
debian = [dict(re.findall(r"^(Package|Version|Architecture|Status): (.+)$", block, re.MULTILINE)) for block in blocks]
try:
    release = open("/etc/os-release").read()
    system = dict(re.findall(r'^(ID|VERSION_ID|PRETTY_NAME)="?([^"\n]*)"?$', release, re.MULTILINE))
except FileNotFoundError:
    system = {}
models = [
    {"name": path.split("/")[-3], "version": path.split("/")[-2],
     "sha256": hashlib.sha256(open(path, "rb").read()).hexdigest()}
    for path in sorted(glob.glob("/models/*/*/manifest.json"))
]
print(json.dumps({"python": platform.python_version(), "packages": packages, "system": system, "models": models,
                  "debian": [each for each in debian if each.get("Status") == "install ok installed"]}))
"""
"""Prints what an image holds as JSON; runs with the Python of the image and its standard library."""

Component = dict[str, Any]


class Refusal(Exception):
    """The bill of materials cannot be made. The message says what to do."""


def bill(found: Mapping[str, Any], image: Mapping[str, Any], base: Component | None) -> dict[str, Any]:
    """Return the bill of materials as CycloneDX 1.6.

    found: what PROBE has printed. image: of `docker image inspect`. base: of `base_of`.
    """
    subject = _image_component(image)
    if base is not None:
        subject["pedigree"] = {"ancestors": [base]}
    components = [
        *_system(found["system"]),
        _interpreter(found["python"]),
        *map(_python_package, _unique(found["packages"])),
        *(_debian_package(each, found["system"]) for each in found["debian"]),
        *map(_model, found["models"]),
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, image['Id'])}",
        "version": 1,
        "metadata": {
            "timestamp": image["Created"],
            "lifecycles": [{"phase": "post-build"}],
            "component": subject,
        },
        "components": components,
        "dependencies": [{"ref": subject["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}],
    }


def base_of(image: Mapping[str, Any]) -> Component | None:
    """Return the image that an image is built from, as its label names it; None without the label.

    The digest is that of the image of this name on this machine, if its layers are those at the bottom of the image,
    since the name may belong to a newer image by now.
    """
    name = (image["Config"].get("Labels") or {}).get(BASE_NAME)
    if name is None:
        return None
    repository, _, tag = name.partition(":")
    component: Component = {"type": "container", "name": repository, "version": tag or "latest"}
    here = _inspected(name.removeprefix("docker.io/").removeprefix("library/"))
    if here is not None:
        layers = here["RootFS"]["Layers"]
        if image["RootFS"]["Layers"][: len(layers)] == layers:
            digest = next(iter(here.get("RepoDigests") or []), here["Id"]).rpartition("sha256:")[2]
            component["hashes"] = [{"alg": "SHA-256", "content": digest}]
            component["purl"] = f"pkg:oci/{repository.rpartition('/')[2]}@sha256%3A{digest}"
    return component


def _image_component(image: Mapping[str, Any]) -> Component:
    labels = image["Config"].get("Labels") or {}
    digest = image["Id"].removeprefix("sha256:")
    name = labels.get("org.opencontainers.image.title", "image")
    return {
        "type": "container",
        "bom-ref": image["Id"],
        "name": name,
        "version": labels.get("org.opencontainers.image.version", image["Id"]),
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "purl": f"pkg:oci/{quote(name)}@sha256%3A{digest}?arch={image['Architecture']}",
        "properties": [{"name": key, "value": value} for key, value in sorted(labels.items())],
    }


def _system(system: Mapping[str, str]) -> Iterable[Component]:
    if system:
        name, version = system["ID"], system.get("VERSION_ID", "")
        yield {
            "type": "operating-system",
            "bom-ref": f"os:{name}",
            "name": name,
            "version": version,
            "description": system.get("PRETTY_NAME", name),
        }


def _interpreter(version: str) -> Component:
    return {
        "type": "platform",
        "bom-ref": f"pkg:generic/python@{version}",
        "name": "python",
        "version": version,
        "purl": f"pkg:generic/python@{version}",
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
    }


def _python_package(package: Mapping[str, str]) -> Component:
    name, version = package["name"], package["version"]
    purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
    component: Component = {
        "type": "library",
        "bom-ref": f"{purl}#{package['folder'].lstrip('/')}",
        "name": name,
        "version": version,
        "purl": purl,
        "properties": [{"name": "folder", "value": package["folder"]}],
    }
    if package["license"]:
        component["licenses"] = [{"expression": package["license"]}]
    return component


def _debian_package(package: Mapping[str, str], system: Mapping[str, str]) -> Component:
    name, version, architecture = package["Package"], package["Version"], package["Architecture"]
    distribution = f"{system.get('ID', 'debian')}-{system.get('VERSION_ID', '')}".rstrip("-")
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro={distribution}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _model(model: Mapping[str, str]) -> Component:
    name = f"{model['name']}/{model['version']}"
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{name}",
        "name": model["name"],
        "version": model["version"],
        "description": "the hash is that of its manifest.json, which has the hashes of its files",
        "hashes": [{"alg": "SHA-256", "content": model["sha256"]}],
    }


def _unique(packages: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the packages, each once, in the order of their names."""
    by_key = {(each["name"].lower(), each["version"], each["folder"]): each for each in packages}
    return [by_key[key] for key in sorted(by_key)]


def _probed(image_id: str) -> dict[str, Any]:
    """Run PROBE in an image. Raises Refusal."""
    options = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--entrypoint", "python")
    done = _docker("run", *options, image_id, "-I", "-c", PROBE)
    if done.returncode:
        raise Refusal(f"the image cannot run Python: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _inspected(name: str) -> dict[str, Any] | None:
    done = _docker("image", "inspect", name)
    if done.returncode:
        return None
    (found,) = json.loads(done.stdout)
    return dict(found)


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["docker", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    except FileNotFoundError as error:
        raise Refusal("there is no command docker; the list is made from a built image") from error


def problems_of(text: str) -> str | None:
    """Return what CycloneDX's own schema says against a bill of materials; None if it is valid."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - installed by `make sbom` only
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if error is None else str(error)


def main(name: str, file: Path) -> int:
    """Write the bill of materials of an image, and return the exit status."""
    try:
        image = _inspected(name)
        if image is None:
            raise Refusal(
                f"there is no image {name} on this machine; build it first, or name another: make sbom IMAGE=..."
            )
        text = json.dumps(bill(_probed(image["Id"]), image, base_of(image)), indent=2) + "\n"
        if problem := problems_of(text):
            raise Refusal(f"what was found is no valid CycloneDX, so nothing was written: {problem}")
    except Refusal as refusal:
        sys.stderr.write(f"sbom: {refusal}\n")
        return 2
    file.write_text(text)
    sys.stdout.write(f"{file}: {text.count('bom-ref') - 1} components of {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))

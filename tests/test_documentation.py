"""The documents say what the code does."""

import re
import tomllib
from pathlib import Path

import pytest

from scripts.reference import settings_table
from tests.docker.monitoring import read_yaml

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def test_the_table_of_settings_is_current() -> None:
    """`make docs` was run."""
    assert (ROOT / "docs/settings.md").read_text() == settings_table()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    """Relative links of every document."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text())
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def test_every_dependency_is_explained() -> None:
    """One line each in docs/dependencies.md."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [*read["project"]["optional-dependencies"].values(), *read["dependency-groups"].values()]
    wanted = [*read["project"]["dependencies"], *(dependency for extra in extras for dependency in extra)]
    names = {re.split(r"[\[<>=~;]", dependency)[0] for dependency in wanted} - {"snellen"}
    text = (ROOT / "docs/dependencies.md").read_text()
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_make_target_of_the_readme_exists() -> None:
    """And nothing else is promised."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text())) <= targets


def test_an_image_has_one_tag() -> None:
    """Each Dockerfile's image is built and run under the same tag in documents, Dockerfiles and compose."""
    files = [*DOCUMENTS, *ROOT.glob("docker/Dockerfile*")]
    built = {found for file in files for found in re.findall(r"build -f docker/(\S+) -t (\S+)", file.read_text())}
    services = read_yaml(ROOT / "docker-compose.yml")["services"].values()
    built |= {(Path(each["build"]["dockerfile"]).name, each["image"]) for each in services if "build" in each}
    named = {found for file in files for found in re.findall(r"\bsnellen:[a-z]\w*", file.read_text())}
    assert built == {
        ("Dockerfile", "snellen:cpu"),
        ("Dockerfile", "snellen:openvino"),  # the same with a build argument
        ("Dockerfile.gpu", "snellen:gpu"),
        ("Dockerfile.load", "snellen:load"),
        ("Dockerfile.training", "snellen:training"),
    }
    assert named <= {tag for _, tag in built}


def test_the_changelog_knows_the_version() -> None:
    """The released one or the next."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()

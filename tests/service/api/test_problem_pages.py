"""The address in a problem's `type` answers with a page that explains the problem."""

from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from service.api.problems import PROBLEM_TYPES, ProblemType
from service.api.v1.openapi import EXAMPLE_DETAILS


class Text(HTMLParser):
    """Collects the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


@pytest.mark.parametrize("face", PROBLEM_TYPES.values(), ids=lambda face: face.slug)
def test_every_problem_has_a_page(client: TestClient, face: ProblemType) -> None:
    """With its title, what it means, what to do, and an example, from the table of problems."""
    answer = client.get(f"/problems/{face.slug}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    text = "".join(Text(answer.text).pieces)
    for part in (face.title, face.meaning, face.cure, str(face.status), EXAMPLE_DETAILS[face.slug]):
        assert part in text


def test_the_type_of_an_answer_is_the_address_of_its_page(client: TestClient) -> None:
    """A developer who opens the address learns what happened."""
    refused = client.post("/v1/classify", content=b"junk").json()
    assert refused["title"] in client.get(refused["type"]).text
    assert client.head(refused["type"]).status_code == 200


@pytest.mark.parametrize("name", ["nothing", "Empty-Body", "<script>", "a/b"])
def test_an_unknown_name_is_404(client: TestClient, name: str) -> None:
    """As a problem document."""
    answer = client.get(f"/problems/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_sentences_are_sentences() -> None:
    """Each begins with a capital letter and ends with a full stop."""
    for face in PROBLEM_TYPES.values():
        for text in (face.meaning, face.cure):
            assert text[0].isupper()
            assert text.endswith(".")

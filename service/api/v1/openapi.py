"""The parts of the OpenAPI document that no signature holds: the three forms of a body, and an example per error."""

import base64
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from service.api.problems import MEDIA_TYPE, PROBLEM_TYPES, plain_problem, problem_of
from service.api.v1.params import QueryParams
from service.api.v1.schemas import Problem
from service.errors import AccessError, Conflict

Responses = dict[int | str, dict[str, Any]]

_BINARY = {"type": "string", "format": "binary"}
EXAMPLE_IMAGE = Path(__file__).with_name("example.jpg").read_bytes()
"""A photo of a cat, 64x64 pixels, so that the page at /docs sends a request that is answered."""
_Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]


class ImagesAsText(QueryParams):
    """Images in base64, and the options of the query, which may stand here too."""

    # For the document alone: json_body.py parses such a body.
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"images": [base64.b64encode(EXAMPLE_IMAGE).decode()], "top_k": 3}]}
    )

    images: list[_Base64] = Field(
        min_length=1,
        description="each the base64 of an image file, or a data URL; base64 may be URL-safe and without padding",
    )


_FORM = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": {"type": "array", "minItems": 1, "items": _BINARY}},
    "description": "each file part is an image, whatever its name, in order; options of the query may be text fields",
}
"""A form. Its options are not listed: the page at /docs would fill in all of them, with values that are refused."""
CLASSIFY_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "JSON; or the image itself, whatever the media type says; or a form.",
        "content": {  # after JSON, which pages and generators take where they take the first one only
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}
"""What the body of `classify` may be, besides JSON."""


REQUEST_ID: dict[str, Any] = {
    "X-Request-ID": {
        "description": "the id of the request, as in the service's log",
        "schema": {"type": "string", "maxLength": 128},
    }
}
"""The header of every answer."""


def problems(*statuses: int, plain: dict[int, str] | None = None) -> Responses:
    """Return the documentation of the error responses with these statuses.

    statuses: every error of the problem table with one of them is included. plain: status -> detail, for problems
    without a type of their own.
    """
    examples: dict[int, dict[str, Problem]] = {status: {} for status in (*statuses, *(plain or {}))}
    for error, face in PROBLEM_TYPES.items():
        if face.status in statuses:
            examples[face.status][face.slug] = problem_of(error(EXAMPLE_DETAILS[face.slug]))
    for status, detail in (plain or {}).items():
        examples[status]["about-blank"] = plain_problem(status, detail)
    return {status: _documented(by_slug) for status, by_slug in sorted(examples.items())}


def _documented(by_slug: dict[str, Problem]) -> dict[str, Any]:
    titles = ", or ".join(problem.title[0].lower() + problem.title[1:] for problem in by_slug.values())
    documented: dict[str, Any] = {
        "description": titles[0].upper() + titles[1:],
        "headers": dict(REQUEST_ID),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {slug: {"value": p.model_dump(exclude_none=True)} for slug, p in by_slug.items()},
            }
        },
    }
    if any(problem.status in (429, 503) for problem in by_slug.values()):
        documented["headers"]["Retry-After"] = {
            "description": "seconds after which to send the request again",
            "schema": {"type": "integer"},
        }
    return documented


EXAMPLE_DETAILS = {
    "empty-body": "the body is empty; send the bytes of an image, as in curl --data-binary @photo.jpg",
    "malformed-body": "images.0 is not base64; encode the bytes of the image file",
    "key-required": "this service needs an API key; send it as Authorization: Bearer KEY, or in X-API-Key",
    "not-permitted": "this API key lacks the scope classify; ask the operator for a key that has it",
    "body-timeout": "the body did not arrive within 30 s; send it again",
    "body-too-large": "the body has more than 33554432 bytes; send a smaller image or fewer at a time",
    "too-many-images": "the request holds more than 64 images; send them in several requests",
    "unsupported-format": "these 11 bytes are not an image of an accepted format; send JPEG, PNG, WEBP",
    "corrupt-image": "the image starts like one but cannot be decoded: it is truncated or damaged",
    "too-many-pixels": "the image is 30000x30000, 900000000 pixels; send at most 64000000",
    "too-small": "the image is 100x60; for dense classification it has to be at least 224x224, the model's input",
    "too-many-cells": "the grid has 40x60 cells, 12000 predictions with top_k=5; the limit is 10000",
    "decode-limit": "decoding this image takes more than 5 s; send it smaller, or encoded anew",
    "conflict": "imagenet/2 is the default version of imagenet; make another one default first: snellen models default "
    "imagenet 1",
    "invalid-option": "top_k is at most 10, the number of classes of fashion-mnist/3",
    "not-calibrated": "coverage 0.9 was not fitted for imagenet; fitted are none: it was not calibrated; "
    "`snellen calibrate` makes a version that is",
    "no-class-map": "the graph of this model has no class map, so explain=heatmap is not possible",
    "not-dense": "the network of scans takes images of one size: dense classification is not possible",
    "model-not-found": "there is no model 'resnet'; the models are fashion-mnist, imagenet",
    "version-not-found": "imagenet has no version '7'; it has 1",
    "rate-limited": "this API key may send 10 images per second, and 20 at once after a pause; send the request again "
    "after the time in Retry-After",
    "queue-full": "the service already holds 256 of 256 images of this model; send the request again later",
    "not-ready": "imagenet/1 is being loaded; send the request again",
    "deadline-exceeded": "no answer within 50 ms; raise X-Deadline-Ms, or send less at a time",
    "engine-failure": "the model could not be run; the cause is in the service's log",
}
"""One example detail per problem type, in the wording of the service."""

_NOT_OF_CLASSIFY = (AccessError, Conflict)
"""Errors that `classify` does not have; those of keys are documented where the service has keys."""
CLASSIFY_RESPONSES = problems(
    *sorted({face.status for error, face in PROBLEM_TYPES.items() if not issubclass(error, _NOT_OF_CLASSIFY)}),
    plain={
        415: "Content-Encoding 'br' is not read; send the body with gzip, or without compression",
        422: "A parameter is not valid. top_k: Input should be greater than or equal to 1",
    },
)
"""Every error response of `classify`."""
CLASSIFIED: dict[str, Any] = {
    "description": "One result per image, in the order of the request",
    "content": {
        "application/json": {
            "example": {
                "model": "imagenet",
                "version": "1",
                "calibrated": False,
                "results": [
                    {
                        "predictions": [
                            {"class_id": 285, "label": "Egyptian cat", "probability": 0.451968},
                            {"class_id": 281, "label": "tabby", "probability": 0.327259},
                            {"class_id": 282, "label": "tiger cat", "probability": 0.159657},
                        ]
                    }
                ],
            }
        }
    },
    "headers": REQUEST_ID
    | {
        "Server-Timing": {
            "description": "milliseconds by stage, as in `decode;dur=1.52`: receive, decode, queue, infer, total",
            "schema": {"type": "string"},
        }
    },
}
"""What describes the answer 200 of `classify`, besides its schema; the example answers the example of the body."""

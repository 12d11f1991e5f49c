"""The page `/docs`: its policy allows the script that it holds, and nothing of another host."""

import base64
import hashlib
import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.api import docs


@pytest.mark.parametrize("root_path", ["", "/vision"])
def test_the_policy_holds_the_hash_of_the_inline_script(root_path: str) -> None:
    """Which differs below a prefix, since the script names the address of the description."""
    app = FastAPI(docs_url=None, title="Title")
    docs.install(app)
    answer = TestClient(app, root_path=root_path).get(f"{root_path}/docs")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert f"'{root_path}/openapi.json'" in script
    assert re.findall(r"https?://", answer.text) == []

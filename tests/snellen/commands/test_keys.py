"""`snellen keys`: one key is printed once, and every mistake is one sentence and status 2."""

import os
import re
from pathlib import Path

import pytest

from service.access.keyring import Keyring
from tests.snellen.command import in_process, snellen


def test_a_new_key_is_printed_once_and_is_valid(tmp_path: Path) -> None:
    """On standard output alone, so that a script can take it; the file has its hash."""
    path = tmp_path / "keys"
    done = snellen("keys", "add", "shop", "--keys", path, "--scopes", "read,metrics", "--models", "imagenet")
    assert done.returncode == 0
    key = done.stdout.strip()
    assert re.fullmatch(r"snl_[0-9a-f]{12}_[0-9a-f]{64}", key)
    assert key[17:] not in done.stderr + path.read_text()
    assert f"the key of shop with the ID {key[4:16]}; it is not shown again" in done.stderr
    found = Keyring(path).find(key.encode())
    assert found is not None
    assert (found.name, ",".join(sorted(found.scopes))) == ("shop", "metrics,read")
    assert found.models == frozenset({"imagenet"})


def test_a_key_may_have_a_limit_of_its_own(tmp_path: Path) -> None:
    """The file has both numbers, and the list shows them."""
    environment = {"SNELLEN_KEYS": str(tmp_path / "keys"), "COLUMNS": "140"}
    for name, *options in (
        ("shop", "--rate", "10"),
        ("app", "--rate", "0.5", "--burst", "64"),
        ("own", "--rate", "unlimited"),
    ):
        assert in_process("keys", "add", name, *options, **environment).returncode == 0
    lines = (tmp_path / "keys").read_text().splitlines()
    assert [line.partition(" rate=")[2] for line in lines] == ["10 burst=10", "0.5 burst=64", "unlimited"]
    listed = in_process("keys", "list", **environment).stdout
    for limit in ("10 images/s, 10 at once", "0.5 images/s, 64 at once", "unlimited"):
        assert limit in listed


def test_keys_are_listed_and_revoked(tmp_path: Path) -> None:
    """The file may be named by the variable of the service."""
    environment = {"SNELLEN_KEYS": str(tmp_path / "keys"), "COLUMNS": "120"}
    key = in_process("keys", "add", "shop", **environment).stdout.strip()
    in_process("keys", "add", "partner", "--scopes", "classify", "--expires", "2099-01-31", **environment)
    listed = in_process("keys", "list", **environment)
    assert listed.returncode == 0
    for word in ("shop", key[4:16], "classify, read", "all", "never", "--key-rate", "partner", "2099-01-31 00:00 UTC"):
        assert word in listed.stdout
    assert key[17:37] not in listed.stdout
    assert in_process("keys", "revoke", key[4:16], **environment).stdout == f"revoked the key {key[4:16]} of shop\n"
    assert "shop" not in in_process("keys", "list", **environment).stdout
    assert in_process("keys", "revoke", "partner", **environment).returncode == 0
    empty = in_process("keys", "list", **environment)
    assert (empty.returncode, "refuses every request that needs one" in empty.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("add", "a b"), "'a b' is no name: use up to 64 letters"),
        (("add", "shop", "--scopes", "clasify"), "--scopes: 'clasify' is no scope"),
        (("add", "shop", "--models", "a/b"), "--models: 'a/b' is no name of a model"),
        (("add", "shop", "--expires", "soon"), "--expires: 'soon' is no date"),
        (("add", "shop", "--expires", "2020-01-01"), "--expires: that is in the past"),
        (("add", "shop", "--rate", "10/min"), "--rate and --burst: '10/min' is no rate; write images per second as a"),
        (("add", "shop", "--burst", "10"), "--rate and --burst: a burst needs a rate beside it, in images per second"),
        (("add", "shop", "--keys", "none/keys"), "cannot be written: No such file or directory"),
        (("list",), "cannot be read: No such file or directory"),
        (("revoke", "shop"), "cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_one_sentence_and_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], reason: str
) -> None:
    """Status 2, and the folder is as it was."""
    monkeypatch.chdir(tmp_path)
    done = in_process("keys", *arguments, SNELLEN_KEYS="keys")
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert os.listdir(tmp_path) == []


def test_the_file_has_to_be_named() -> None:
    """By the option or the variable."""
    done = in_process("keys", "list", SNELLEN_KEYS="")
    assert (done.returncode, "--keys is missing" in done.stderr) == (2, True)

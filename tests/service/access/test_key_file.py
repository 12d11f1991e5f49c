"""The key file: what it may hold, and the line and the reason where it cannot be read."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.api_keys import Scope, new_key
from service.access.key_file import MAX_BYTES, MAX_KEYS, KeyFileError, line_of, parse_keys, read_content, read_expiry
from service.access.rate_limit import RateLimit, rate_limit
from service.settings import HIGHEST_RATE, LOWEST_RATE, MOST_BURST

FILE = Path("keys")
ID, HASH = "0123456789ab", "ab" * 32
GOOD = f"shop id={ID} sha256={HASH} scopes=classify"


def test_a_line_says_all_of_a_key() -> None:
    """Comments, empty lines and Windows' line ends do not matter."""
    line = f"{GOOD},read models=imagenet,scans expires=2027-01-31 rate=2.5 burst=20"
    text = f"# keys of the shop\r\n\r\n  {line} # until then\r\n"
    (key,) = parse_keys(text, FILE).values()
    assert (key.name, key.key_id, key.digest.hex()) == ("shop", ID, HASH)
    assert key.scopes == {Scope.CLASSIFY, Scope.READ}
    assert key.models == frozenset({"imagenet", "scans"})
    assert key.expires == datetime(2027, 1, 31, tzinfo=UTC)
    assert key.limit == RateLimit(2.5, 20)


@pytest.mark.parametrize("text", ["", "\n\n", "# none yet\n"])
def test_a_file_without_keys_is_valid(text: str) -> None:
    """It refuses every key."""
    assert parse_keys(text, FILE) == {}


@given(
    st.sets(st.sampled_from(list(Scope)), min_size=1),
    st.none() | st.sets(st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True), min_size=1),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none()
    | st.just(rate_limit(float("inf")))
    | st.builds(RateLimit, st.floats(LOWEST_RATE, HIGHEST_RATE), st.integers(1, MOST_BURST)),
)
def test_what_is_written_is_read(
    scopes: set[Scope], models: set[str] | None, expires: datetime | None, limit: RateLimit | None
) -> None:
    """The line of a key is read as the same key."""
    some = None if models is None else frozenset(models)
    _, key = new_key("shop", frozenset(scopes), models=some, expires=expires, limit=limit)
    assert parse_keys(line_of(key), FILE) == {key.key_id: key}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("shop", "id= is missing; snellen keys add writes complete lines"),
        (f"shop id={ID} scopes=read", "sha256= is missing"),
        (f"shop id={ID} sha256={HASH}", "scopes= is missing"),
        (f"shop id={ID} sha256={HASH} scopes=", "no scope is given; scopes are classify, read, metrics, admin"),
        (f"shop id={ID} sha256={HASH} scopes=clasify", "'clasify' is no scope; scopes are classify, read, metrics,"),
        (f"shop id={ID} sha256={HASH} scopes=clasify", "; did you mean classify?"),
        (f"shop id=XY sha256={HASH} scopes=read", "id takes 12 hexadecimal digits in lower case"),
        (f"shop id={ID} sha256={HASH[1:]} scopes=read", "sha256 takes 64 hexadecimal digits in lower case"),
        (f"shop id={ID} sha256={HASH.upper()} scopes=read", "sha256 takes 64 hexadecimal digits in lower case"),
        (f"{GOOD} scopes=read", "scopes is given twice; keep one of the two"),
        (f"{GOOD} model=imagenet", "'model' is no field of a key; did you mean models=?"),
        (f"{GOOD} imagenet", "'imagenet' is no field of a key"),
        (f"{GOOD} models=", "'' is no name of a model"),
        (f"{GOOD} models=a/b", "'a/b' is no name of a model"),
        (f"{GOOD} expires=tomorrow", "'tomorrow' is no date; write it as 2027-01-31 or 2027-01-31T18:00:00Z"),
        (f"{GOOD} expires=2027-01-31T18:00:00", "is no date; write it as"),
        (f"{GOOD} rate=0", "'0' is no rate; write images per second as a number from 0.001 to 1,000,000, or unlimited"),
        (f"{GOOD} rate=nan", "'nan' is no rate"),
        (f"{GOOD} rate=10 burst=0", "'0' is no burst; write the images at once as a whole number from 1 to 1,000,000"),
        (f"{GOOD} burst=10", "a burst needs a rate beside it, in images per second"),
        (f"{GOOD} rate=unlimited burst=10", "a key without a limit has no burst"),
        (f"../x id={ID} sha256={HASH} scopes=read", "'../x' is no name"),
        (GOOD, f"the ID {ID} is on line 1 already; remove one of the two"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_what_to_change(line: str, reason: str) -> None:
    """The file, the number of the line, and the reason."""
    with pytest.raises(KeyFileError) as refused:
        parse_keys(f"{GOOD}\n# a comment\n{line}\n", FILE)
    assert str(refused.value).startswith("the key file keys, line 3: ")
    assert reason in str(refused.value)


def test_a_key_in_the_file_by_mistake_is_not_repeated() -> None:
    """Messages go to the log, and a key is a secret."""
    key, _ = new_key("shop", frozenset({Scope.READ}))
    for text in (
        f"{GOOD} rate=1 burst={key}",
        key,
        f"shop {key}",
        f"shop id={key} sha256={HASH} scopes=read",
        f"{GOOD} models={key},!",
        f"{GOOD} rate={key}",
    ):
        with pytest.raises(KeyFileError) as refused:
            parse_keys(text, FILE)
        assert key[17:21] not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["2027-02-30", "20270131", "", "2027-01-31T18:00", "1.1.2027", "9999-12-31T23:00-12:00"]
)
def test_a_date_that_could_be_misread_is_refused(text: str) -> None:
    """One form for dates, and a zone for times."""
    with pytest.raises(ValueError, match="is no date"):
        read_expiry(text)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Missing, a folder, a pipe, no text, too large; a pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"# line 1\n\xff\xfe")
    (tmp_path / "large").write_bytes(b"\n" * (MAX_BYTES + 1))
    for name, reason in {
        "missing": "No such file or directory; make one with: snellen keys add NAME --keys FILE",
        ".": "Is a directory",
        "pipe": "is no regular file",
        "binary": "line 2: it is not UTF-8 text",
        "large": "has more than 4194304 bytes",
    }.items():
        with pytest.raises(KeyFileError) as refused:
            read_content(tmp_path / name)
        assert reason in str(refused.value)


def test_the_number_of_keys_has_a_limit() -> None:
    """The line of the first one too many is named."""
    lines = [f"shop id={number:012x} sha256={HASH} scopes=read" for number in range(MAX_KEYS + 1)]
    assert len(parse_keys("\n".join(lines[:-1]), FILE)) == MAX_KEYS
    with pytest.raises(KeyFileError, match=f"line {MAX_KEYS + 1}: there are more than {MAX_KEYS} keys"):
        parse_keys("\n".join(lines), FILE)

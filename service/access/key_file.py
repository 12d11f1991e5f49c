"""The file of API keys: one key on each line, as text that an operator can read and compare.

    # comment
    NAME id=HEX sha256=HEX scopes=classify,read models=imagenet expires=2027-01-31T00:00:00Z rate=10 burst=20

`models`, `expires`, `rate` and `burst` may be left out. An empty file is valid: every request that needs a key is
refused.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from service.access.api_keys import ID_LENGTH, ApiKey, Scope
from service.access.rate_limit import read_limit, words_of

MAX_BYTES = 4 * 1024 * 1024
"""Limit of the size of the file; it holds 10,000 keys with room to spare."""
MAX_KEYS = 10_000
"""Limit of the number of keys, since each name is a label of metrics."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A name of a client or of a model."""
_ID = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_FIELDS = ("id", "sha256", "scopes", "models", "expires", "rate", "burst")
_NEEDED = ("id", "sha256", "scopes")
_LONGEST_VALUE = 40
"""Characters of a wrong word that a message repeats."""


class KeyFileError(Exception):
    """The key file cannot be used. The message names the file, the line if there is one, and what to change."""


class _WrongLine(Exception):
    """A line cannot be read; the message says why."""


def read_content(path: Path) -> str:
    """Return the text of the file. Raises KeyFileError."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise KeyFileError(f"the key file {path} is no regular file; name a file that holds lines of keys")
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "; make one with: snellen keys add NAME --keys FILE" if isinstance(error, FileNotFoundError) else ""
        raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}{hint}") from error
    if len(content) > MAX_BYTES:
        raise KeyFileError(f"the key file {path} has more than {MAX_BYTES} bytes; remove keys that are not used")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise KeyFileError(f"the key file {path}, line {line}: it is not UTF-8 text; write it again") from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file. A pipe without a writer is opened too, which would otherwise wait for one, perhaps for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse_keys(text: str, path: Path) -> dict[str, ApiKey]:
    """Return the keys of the text by ID. path: for messages. Raises KeyFileError."""
    keys: dict[str, ApiKey] = {}
    lines: dict[str, int] = {}
    for number, words in _lines(text):
        try:
            key = _key(words)
            if key.key_id in keys:
                raise _WrongLine(f"the ID {key.key_id} is on line {lines[key.key_id]} already; remove one of the two")
            if len(keys) == MAX_KEYS:
                raise _WrongLine(f"there are more than {MAX_KEYS} keys; remove those that are not used")
        except _WrongLine as error:
            raise KeyFileError(f"the key file {path}, line {number}: {error}") from None
        keys[key.key_id], lines[key.key_id] = key, number
    return keys


def line_of(key: ApiKey) -> str:
    """Return the line of a key, without its end."""
    words = [key.name, f"id={key.key_id}", f"sha256={key.digest.hex()}", f"scopes={','.join(sorted(key.scopes))}"]
    if key.models is not None:
        words.append(f"models={','.join(sorted(key.models))}")
    if key.expires is not None:
        words.append(f"expires={key.expires.astimezone(UTC).isoformat().replace('+00:00', 'Z')}")
    if key.limit is not None:
        words += [f"{name}={value}" for name, value in words_of(key.limit).items()]
    return " ".join(words)


def id_on(line: str) -> str | None:
    """Return the ID of the key on a line of a valid file; None for a comment or an empty line."""
    words = line.partition("#")[0].split()
    return next((word.removeprefix("id=") for word in words if word.startswith("id=")), None)


def read_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes of a list with commas. Raises ValueError with a sentence."""
    names = [name for name in text.split(",") if name]
    known = [scope.value for scope in Scope]
    if wrong := [name for name in names if name not in known]:
        near = get_close_matches(wrong[0], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{_shortened(wrong[0])} is no scope; scopes are {', '.join(known)}{hint}")
    if not names:
        raise ValueError(f"no scope is given; scopes are {', '.join(known)}")
    return frozenset(map(Scope, names))


def read_models(text: str) -> frozenset[str]:
    """Return the names of a list of models with commas. Raises ValueError with a sentence."""
    names = text.split(",")
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise ValueError(f"{_shortened(wrong[0])} is no name of a model; write names with commas, as in imagenet,scans")
    return frozenset(names)


def read_expiry(text: str) -> datetime:
    """Return the moment, in UTC, of a date (00:00 UTC) or a time with a zone. Raises ValueError with a sentence."""
    try:
        moment = datetime.fromisoformat(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{_shortened(text)} is no date; write it as 2027-01-31 or 2027-01-31T18:00:00Z")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the words of each line that holds a key."""
    for number, line in enumerate(text.split("\n"), start=1):
        if words := line.partition("#")[0].split():
            yield number, words


def _key(words: list[str]) -> ApiKey:
    """Return the key of a line. Raises _WrongLine."""
    name, *rest = words
    if not NAME.fullmatch(name):
        raise _WrongLine(
            f"{_shortened(name)} is no name; a line begins with a name of up to 64 letters, digits, dots, dashes and "
            "underscores"
        )
    fields = _fields(rest)
    for field, pattern, kind in (("id", _ID, f"{ID_LENGTH}"), ("sha256", _SHA256, "64")):
        if not pattern.fullmatch(fields[field]):
            raise _WrongLine(f"{field} takes {kind} hexadecimal digits in lower case")
    try:
        return ApiKey(
            name=name,
            key_id=fields["id"],
            digest=bytes.fromhex(fields["sha256"]),
            scopes=read_scopes(fields["scopes"]),
            models=read_models(fields["models"]) if "models" in fields else None,
            expires=read_expiry(fields["expires"]) if "expires" in fields else None,
            limit=read_limit(fields.get("rate"), fields.get("burst")),
        )
    except ValueError as error:
        raise _WrongLine(str(error)) from None


def _fields(words: list[str]) -> Mapping[str, str]:
    """Return the fields of a line by name. Raises _WrongLine."""
    fields: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in _FIELDS or not equals:
            near = get_close_matches(name, _FIELDS, n=1)
            hint = f"; did you mean {near[0]}=?" if near else f"; known are {', '.join(_FIELDS)}"
            raise _WrongLine(f"{_shortened(name)} is no field of a key{hint}")
        if name in fields:
            raise _WrongLine(f"{name} is given twice; keep one of the two")
        fields[name] = value
    if missing := [name for name in _NEEDED if name not in fields]:
        raise _WrongLine(f"{missing[0]}= is missing; snellen keys add writes complete lines")
    return fields


def _shortened(word: str) -> str:
    """Return a wrong word for a message.

    A whole key that was put into the file by mistake is not repeated: messages go to the log.
    """
    return repr(word if len(word) <= _LONGEST_VALUE else f"{word[: _LONGEST_VALUE // 4]}...")

"""W3C trace context: reads the headers `traceparent` and `tracestate`, and writes `traceresponse`.

Source: Trace Context (W3C Recommendation), sections 3.2 and 3.3. What does not follow it is ignored, as it demands.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?P<rest>-.*)?"
)
_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"({_KEY})=({_VALUE})")
_MOST_MEMBERS = 32
"""Limit of the entries of `tracestate`."""
SAMPLED = 1
"""Bit of the flags: the caller records this trace."""


class TraceContext(NamedTuple):
    """The trace and the span of a caller.

    trace_id, span_id: 32 and 16 lower-case hexadecimal digits, not all zero. flags: 8 bits, see SAMPLED. state: the
    entries of `tracestate`, for other tracing systems.
    """

    trace_id: str
    span_id: str
    flags: int
    state: tuple[tuple[str, str], ...] = ()

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)


def read_trace_context(parents: Sequence[bytes], states: Sequence[bytes]) -> TraceContext | None:
    """Return the context of the caller, or None if there is none or it is not valid.

    parents, states: values of all headers `traceparent` and `tracestate`, in order. Several `traceparent` are invalid;
    an invalid `tracestate` is left out.
    """
    if len(parents) != 1:
        return None
    found = _TRACEPARENT.fullmatch(parents[0].strip(b" \t").decode("latin-1"))
    if found is None or (found["version"] == "00" and found["rest"] is not None):
        return None
    _, trace_id, span_id, flags, _ = found.groups()
    return TraceContext(trace_id, span_id, int(flags, 16), _state(states))


def _state(headers: Sequence[bytes]) -> tuple[tuple[str, str], ...]:
    """Return the entries of `tracestate`; none if one is invalid, occurs twice, or there are too many."""
    members = [
        member for header in headers for each in header.decode("latin-1").split(",") if (member := each.strip(" \t"))
    ]
    found = [_MEMBER.fullmatch(member) for member in members]
    pairs = tuple((match[1], match[2]) for match in found if match is not None)
    whole = len(pairs) == len(members) == len(dict(pairs))
    return pairs if whole and len(pairs) <= _MOST_MEMBERS else ()


def traceresponse(trace_id: str, span_id: str, flags: int) -> str:
    """Return the value of the header that tells the caller which span the service made.

    Source: Trace Context, HTTP response header (W3C Editor's Draft).
    """
    return f"00-{trace_id}-{span_id}-{flags:02x}"

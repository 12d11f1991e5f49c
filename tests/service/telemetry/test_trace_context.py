"""W3C trace context is read as the standard says; what is not valid is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.telemetry.trace_context import TraceContext, read_trace_context, traceresponse

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01".encode()


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (PARENT, 1),
        (b" \t" + PARENT + b" ", 1),
        (f"00-{TRACE}-{SPAN}-00".encode(), 0),
        (f"00-{TRACE}-{SPAN}-03".encode(), 3),
        (f"cc-{TRACE}-{SPAN}-01".encode(), 1),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings".encode(), 1),
    ],
)
def test_a_valid_parent_is_read(parent: bytes, flags: int) -> None:
    """A higher version too, by what version 00 knows of it."""
    assert read_trace_context([parent], []) == TraceContext(TRACE, SPAN, flags)
    assert TraceContext(TRACE, SPAN, flags).sampled == (flags & 1)


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [b""],
        [PARENT, PARENT],
        [PARENT[:-1]],
        [PARENT + b"-"],
        [PARENT + b"-more"],
        [PARENT.upper()],
        [b"ff" + PARENT[2:]],
        [b"0x" + PARENT[2:]],
        [PARENT.replace(b"-", b"_")],
        [f"00-{'0' * 32}-{SPAN}-01".encode()],
        [f"00-{TRACE}-{'0' * 16}-01".encode()],
        [f"00-{TRACE}-{SPAN}-0g".encode()],
        [f"00-{TRACE}-{SPAN}-01.more".encode()],
        [f"cc-{TRACE}-{SPAN}-01.more".encode()],
        [PARENT + b"\n"],
        [b"\xff" * 55],
        [PARENT + b"," + PARENT],
    ],
)
def test_an_invalid_parent_is_no_parent(parents: list[bytes]) -> None:
    """Nor is one that comes twice."""
    assert read_trace_context(parents, [b"a=1"]) is None


@pytest.mark.parametrize(
    ("states", "entries"),
    [
        ([], ()),
        ([b"rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"], (("rojo", "00f067aa0ba902b7"), ("congo", "t61rcWkgMzE"))),
        ([b"a=1", b"b=2,,\t"], (("a", "1"), ("b", "2"))),
        ([b"1tenant@system=x y"], (("1tenant@system", "x y"),)),
        ([b"k*_-/=" + b"v" * 256], (("k*_-/", "v" * 256),)),
        ([b",".join(b"k%d=v" % number for number in range(32))], tuple((f"k{number}", "v") for number in range(32))),
        ([b",".join(b"k%d=v" % number for number in range(33))], ()),
        ([b"a=1,a=2"], ()),
        ([b"A=1"], ()),
        ([b"a"], ()),
        ([b"a="], ()),
        ([b"a=b=c"], ()),
        ([b"a=1,b=\x07"], ()),
        ([b"a=" + b"v" * 257], ()),
        ([b"9a=1"], ()),
        ([b"@system=1"], ()),
    ],
)
def test_a_state_is_read_whole_or_not_at_all(states: list[bytes], entries: tuple[tuple[str, str], ...]) -> None:
    """Several headers are one list; an invalid one does not make the parent invalid."""
    assert read_trace_context([PARENT], states) == TraceContext(TRACE, SPAN, 1, entries)


@given(st.lists(st.binary(max_size=80), max_size=2), st.lists(st.binary(max_size=80), max_size=2))
def test_any_bytes_are_read_or_ignored(parents: list[bytes], states: list[bytes]) -> None:
    """No header of a client is an error."""
    read_trace_context(parents, states)


def test_the_response_names_the_span() -> None:
    """In the form of a parent."""
    assert traceresponse(TRACE, SPAN, 1) == PARENT.decode()
    assert traceresponse(TRACE, SPAN, 0).endswith("-00")

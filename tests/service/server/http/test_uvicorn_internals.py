"""The internals of uvicorn that the service overrides or reads: pyproject.toml pins its minor version for them."""

import ast
import inspect
from importlib.metadata import version
from types import ModuleType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.server.http import connection, request_feed, server

OVERRIDDEN: dict[type, tuple[type, set[str]]] = {
    connection.HttpConnection: (
        HttpToolsProtocol,
        {
            "connection_made(self, transport)",
            "connection_lost(self, exc)",
            "data_received(self, data)",
            "eof_received(self)",
            "on_headers_complete(self)",
            "on_body(self, body)",
            "on_response_complete(self)",
            "pause_writing(self)",
            "resume_writing(self)",
            "shutdown(self)",
        },
    ),
    connection._Flow: (
        FlowControl,
        {"__init__(self, transport)", "pause_reading(self)", "resume_reading(self)"},
    ),
    server.Server: (
        uvicorn.Server,
        {
            "__init__(self, config)",
            "handle_exit(self, sig, frame)",
            "startup(self, sockets)",
            "on_tick(self, counter)",
            "shutdown(self, sockets)",
            "_wait_tasks_to_complete(self)",
        },
    ),
}
"""Class of the service -> class of uvicorn, and its methods that are overridden, with their parameters."""
READ: dict[str, set[str]] = {
    "connection.self": {
        *("client", "connections", "cycle", "flow", "loop", "pipeline", "scope", "server_state"),
        *("timeout_keep_alive", "transport", "_start_asgi_task", "parser", "expect_100_continue"),
    },
    "connection.cycle": {
        *("body", "disconnected", "keep_alive", "message_event", "response_started", "scope", "transport"),
        *("waiting_for_100_continue", "receive", "response_complete"),
    },
    "connection.flow": {"read_paused", "write_paused", "resume_reading"},
    "server.self": {"config", "force_exit", "lifespan", "run", "server_state", "servers", "should_exit"},
    "feed.connection": {"headers", "on_header", "on_message_begin", "on_url", "parser", "url"}
    | {"on_body", "on_headers_complete", "on_message_complete"},
}
"""Object in a module of the service -> its attributes that uvicorn has to provide."""
OTHERS = {
    ServerState: {"connections", "tasks", "total_requests"},
    uvicorn.Config: {"http_protocol_class"},
}


def _uses(module: ModuleType, name: str) -> set[str]:
    """Attributes of `name` that a module reads or sets; for "cycle" those of `cycle.x` and `self.cycle.x`."""
    return {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute)
        and (getattr(node.value, "id", None) == name or getattr(node.value, "attr", None) == name)
    }


def _signature(kind: type, method: str) -> str:
    return f"{method}({', '.join(inspect.signature(getattr(kind, method)).parameters)})"


async def _app(_scope: object, _receive: object, _send: object) -> None: ...


def _provided() -> dict[str, object]:
    """What uvicorn makes for one request; a server gets `servers` and `lifespan` when it starts."""
    config = uvicorn.Config(_app, log_config=None, lifespan="off")
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {})
    protocol.on_message_begin()
    options: dict[str, Any] = dict.fromkeys(inspect.signature(RequestResponseCycle).parameters)
    cycle = RequestResponseCycle(**options | {"expect_100_continue": False})
    running = uvicorn.Server(config)
    source = inspect.getsource(uvicorn.Server)
    running.__dict__ |= {name: None for name in ("servers", "lifespan") if f"self.{name}" in source}
    flow = FlowControl(cast(Any, None))
    return {
        "connection.self": protocol,
        "connection.cycle": cycle,
        "connection.flow": flow,
        "server.self": running,
        "feed.connection": protocol,
    }


async def test_uvicorn_has_what_the_service_overrides_and_reads() -> None:
    """Every internal is listed above, and the installed uvicorn has it; a sentence names one that is gone."""
    installed = f"uvicorn {version('uvicorn')}"
    for ours, (theirs, listed) in OVERRIDDEN.items():
        overridden = {name for name in vars(ours) if callable(vars(ours)[name]) and hasattr(theirs, name)}
        names = {entry.partition("(")[0] for entry in listed}
        assert overridden == names, f"{ours.__name__} overrides {overridden ^ names}, which OVERRIDDEN does not list"
        for entry in listed:
            name = entry.partition("(")[0]
            assert hasattr(theirs, name), f"{installed} has no {theirs.__name__}.{name}, which the service overrides"
            assert _signature(theirs, name) == entry, f"{installed} changed the parameters of {theirs.__name__}.{name}"

    for place, provider in _provided().items():
        for name in READ[place]:
            assert hasattr(provider, name), f"{installed} has no {type(provider).__name__}.{name}, which {place} uses"
    for kind, names in OTHERS.items():
        source = inspect.getsource(kind)
        for name in names:
            assert f"self.{name}" in source, f"{installed} has no {kind.__name__}.{name}, which the service reads"

    inherited = _uses(connection, "self") & set(vars(_provided()["connection.self"])) | {"_start_asgi_task"}
    assert inherited == READ["connection.self"], "READ lists other attributes of HttpToolsProtocol than are used"
    assert _uses(connection, "cycle") == READ["connection.cycle"], "READ lists other attributes of a request's cycle"
    assert _uses(request_feed, "_connection") == READ["feed.connection"], "READ lists other callbacks of the parser"

"""How the command line finds a running service, and what it says where none answers."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.server.admin_listener import AdminListener
from service.settings import Settings
from snellen.admin_client import KEY_VARIABLE, AdminClient, NoService, PortClient, Problem, find_service


async def answer(request: Request) -> Response:
    match request.url.path:
        case "/models":
            return JSONResponse({"versions": []})
        case "/models/load":
            await asyncio.sleep(1.2)
            return JSONResponse(await request.json())
        case "/models/unload":
            return JSONResponse({"detail": "not now"}, 409)
    return PlainTextResponse("hello")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The socket of a service that runs in another thread."""
    started, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
        admin = AdminListener(Settings(admin_socket=str(tmp_path / "a.sock")), 8000, lambda: app)
        admin.start()
        started.set()
        await ended.wait()
        await admin.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    yield tmp_path / "a.sock"
    AdminClient(tmp_path / "a.sock").state()  # asyncio loses a connection that it accepts while the server closes
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


def test_a_change_is_watched_until_it_ends(path: Path) -> None:
    """The states are shown meanwhile; the answer is that to the change."""
    seen: list[float] = []
    client = find_service(path, None)
    outcome = client.change_while("load", {"name": "a"}, lambda state, seconds: seen.append(seconds))
    assert outcome == {"name": "a"}
    assert seen == sorted(seen)
    assert len(seen) >= 2


def test_a_refusal_is_a_problem(path: Path) -> None:
    """With its detail and status, also where it is watched."""
    with pytest.raises(Problem, match="^not now$") as caught:
        AdminClient(path).change("unload", {})
    assert caught.value.status == 409
    with pytest.raises(Problem, match="^not now$"):
        AdminClient(path).change_while("unload", {}, lambda _state, _seconds: None)


def test_another_server_is_recognised(path: Path) -> None:
    """It answers something else."""
    with pytest.raises(NoService, match="does not answer as a service of Snellen does"):
        AdminClient(path).change("rescan", {})


def test_a_socket_that_nobody_answers_says_what_to_do(tmp_path: Path) -> None:
    """One that is named, and those of a port."""
    with pytest.raises(NoService, match=r"a.sock; start the service with the same --admin-socket, or name its socket"):
        find_service(tmp_path / "a.sock", None)
    with pytest.raises(NoService, match=r"1\.sock; start one with `snellen serve`, or name another one by --port"):
        find_service(None, 1)
    with pytest.raises(NoService, match="no running service answers at"):
        AdminClient(tmp_path / "a.sock").state()


def test_variables_name_the_service_as_they_do_for_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options come first; Kubernetes' SNELLEN_PORT is no port."""
    monkeypatch.setenv("SNELLEN_ADMIN_SOCKET", str(path))
    assert find_service(None, None).path == path
    monkeypatch.setenv("SNELLEN_ADMIN_SOCKET", "off")
    with pytest.raises(NoService, match="SNELLEN_ADMIN_SOCKET is off"):
        find_service(None, None)
    monkeypatch.delenv("SNELLEN_ADMIN_SOCKET")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path.parent))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(path.parent))
    for value, port in (("tcp://10.0.0.1:80", "8000"), ("7999", "7999")):
        monkeypatch.setenv("SNELLEN_PORT", value)
        with pytest.raises(NoService, match=rf"snellen/{port}\.sock or .*snellen-{os.getuid()}/{port}\.sock"):
            find_service(None, None)
    link = path.parent / f"snellen-{os.getuid()}"
    link.mkdir(mode=0o700)
    os.link(path, link / "7999.sock")
    assert find_service(None, None).path == link / "7999.sock"


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:9000", "ftp://a:9000", "http://", "http://a:x", "http://a:70000", "http://a/models"),
        *("http://key@a:9000", "http://a:9000?b", ""),
    ],
)
def test_another_text_is_no_address_of_a_port(url: str) -> None:
    """And the refusal shows how to write one."""
    with pytest.raises(NoService, match="is no address of an admin port; write it as in http://127"):
        PortClient(url, "key")


@pytest.mark.parametrize(
    ("key", "reason"), [("", "takes a key with the scope admin"), ("a b", "no API key"), ("schlüssel", "no API key")]
)
def test_the_key_comes_from_the_environment(key: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is missing, or cannot be sent in a header, is refused without repeating it."""
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(NoService, match=reason) as caught:
        find_service(None, None, "http://127.0.0.1:9000")
    assert "schl" not in str(caught.value)


def test_a_service_has_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address beside a socket or a port is refused; one at which nothing listens is said."""
    monkeypatch.setenv(KEY_VARIABLE, "key\n")
    for socket, port in ((Path("a.sock"), None), (None, 8000)):
        with pytest.raises(NoService, match="leave --admin-socket and --port out"):
            find_service(socket, port, "http://127.0.0.1:9000")
    with pytest.raises(NoService, match=r"no running service answers at http://127\.0\.0\.1:1 \("):
        find_service(None, None, "http://127.0.0.1:1/").state()

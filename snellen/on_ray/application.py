"""A replica of Ray Serve: the service with its own models, on the cores that Ray has reserved for it."""

import asyncio
import time
from difflib import get_close_matches
from typing import Any

import ray
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray import serve
from ray.serve import Application
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.health import readiness
from service.api.problems import plain_problem, respond
from service.app import create_app
from service.setting_texts import wrong_value
from service.settings import GROUPS, Settings
from service.telemetry.health import Health

_POLL_S = 0.2
"""Seconds between two looks at whether the models are loaded."""

OF_RAY = frozenset(
    {
        *(set(GROUPS["Address"]) - {"root_path"}),
        *("tls_certificate", "tls_key", "tls_client_ca", "admin_socket", "admin_port", "admin_host"),
        *("frontends", "engines", "worker_timeout_s", *GROUPS["Shutdown"], *GROUPS["Log"]),
    }
)
"""Settings of sockets, processes and logs, which are Ray's here."""


class Arguments(BaseModel):
    """The `args` of the application in Ray Serve's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any] = Field(default={}, description="settings of the service, by their names with _ for -")
    startup_s: float = Field(default=300, gt=0, description="time for a replica to load its models")


_NO_METRICS = (
    "A request to Ray Serve reaches any one replica, whose metrics alone would mislead. "
    "Ray exports metrics of all replicas."
)


class BehindProxies:
    """Leaves to Ray what is not the task of one replica: the header X-Request-ID, which Ray adds too, and /metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["x-request-id"]
            await send(message)

        metrics = scope["type"] == "http" and scope["path"] == f"{scope.get('root_path', '')}/metrics"
        app = respond(plain_problem(404, _NO_METRICS), None) if metrics else self._app
        await app(scope, receive, send_without)


class Replica:
    """Ray builds it in a process of its own, and runs the lifespan of its application."""

    def __init__(self, arguments: Arguments, cores: int | None = None) -> None:
        """cores: None for those that Ray has reserved."""
        self._settings = settings_on(cores or _reserved_cores(), arguments.settings)
        self._startup_s = arguments.startup_s
        self._health = Health()
        self._was_ready = False

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the application of the service."""
        app = create_app(self._settings, self._health)
        app.add_middleware(BehindProxies)
        self._registry = app.state.registry
        return app

    async def check_health(self) -> None:
        """Raise RuntimeError unless the service is ready, as /readyz says.

        Ray calls it once before it sends requests here: then it waits until the models are loaded.
        """
        end = time.monotonic() + (0 if self._was_ready else self._startup_s)
        while not (state := readiness(self._registry, self._health)).ready:
            if self._health.failed or time.monotonic() >= end:
                raise RuntimeError(state.detail)
            await asyncio.sleep(_POLL_S)
        self._was_ready = True


def application(args: dict[str, Any]) -> Application:
    """Return the application for the configuration of Ray Serve. Raises ValueError with a sentence for wrong `args`."""
    try:
        arguments = Arguments.model_validate(args)
    except ValidationError as error:
        wrong = error.errors()[0]
        reason = ": settings is a map such as {max_queue: 64}, startup_s a number of seconds above 0"
        if wrong["type"] == "extra_forbidden":
            reason = " is not known: there are settings and startup_s"
        raise ValueError(f"args.{wrong['loc'][0]}{reason}") from None
    settings_on(1, arguments.settings)
    deployment = serve.deployment(name="Snellen")(serve.ingress()(Replica))
    return deployment.bind(arguments)


def settings_on(cores: int, given: dict[str, Any]) -> Settings:
    """Return the settings of a replica that has some cores of a machine. What is given wins.

    Raises ValueError for a name or a value that is not permitted, and for settings that are Ray's.
    """
    for name in given:
        if name not in Settings.model_fields:
            near = get_close_matches(name.replace("-", "_"), Settings.model_fields, n=1)
            meant = f"did you mean {near[0]}?" if near else "docs/settings.md lists them, written here with _ for -"
            raise ValueError(f"args.settings: {name} is no setting; {meant}")
        if name in OF_RAY:
            raise ValueError(
                f"args.settings: {name} has no effect on Ray Serve, which has its own options: leave it out"
            )
    share = {"concurrency": cores, "threads_per_batch": 1, "decode_threads": cores, "single_image_threads": cores}
    try:
        return Settings(**(share | given))
    except ValidationError as error:
        raise ValueError(f"args.settings: {wrong_value(error.errors()[0])}") from None


def _reserved_cores() -> int:
    """Return the `num_cpus` of the replica, at least 1."""
    reserved = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
    return max(1, int(reserved.get("CPU", 1)))

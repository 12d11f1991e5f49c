"""The settings: one frozen object. Every field is an option of `snellen serve` and a variable `SNELLEN_...`.

A field's first example stands for its value in the help. GROUPS, below the fields, sorts them by topic.
"""

import re
from collections.abc import Iterable
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.contract import FORMATS, ImageFormat, Precision, default_repository, usable_cores

Provider = Literal["cpu", "cuda", "tensorrt", "openvino", "auto"]
MIB = 1024 * 1024
_MOST_PIXELS = 2**31 - 1
"""The largest limit of pixels: Pillow counts the bytes of an image in 32 bits."""
_PACKAGES = {"HEIC": ("pillow_heif", "heic"), "openvino": ("openvino", "openvino")}
"""Value of a setting -> the package that it takes and that may be missing, and the extra of Snellen that has it."""
LOWEST_RATE, HIGHEST_RATE = 0.001, 1_000_000
"""Range of a limit of images per second."""
MOST_BURST = 1_000_000
"""Largest number of images that a limit allows at once."""
PREFIX = "SNELLEN_"
_ORIGIN = re.compile(r"https?://[^/?#@*\s]+|\*")
"""An origin as browsers send it, or all of them."""
_USUAL_PORT = re.compile(r"(http(?=:.*:80$)|https(?=:.*:443$))(.*):\d+")
"""An origin with the port that its scheme has anyway; browsers leave it out."""
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\*")
"""A host name, all names below one, or all names."""
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
"""A path prefix: segments that need no escaping."""
_OWN_PATHS = ("v1", "docs", "openapi.json", "static-offline-docs", "page", "problems", "livez", "readyz", "metrics")
"""First segments of the service's paths. With one of them as prefix, a path would have two meanings."""
_NOT_OURS = ("SNELLEN_PORT_", "SNELLEN_SERVICE_", "SNELLEN_ADMIN_PORT_", "SNELLEN_ADMIN_SERVICE_", "SNELLEN_TEST_")
"""Prefixes of variables that are not settings.

Kubernetes sets variables of the first four for Services called snellen and snellen-admin; the tests read the last.
"""


class Settings(BaseSettings):
    """Defaults suit a small CPU machine; times are in seconds, sizes in bytes, counts of the whole service."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field(
        "127.0.0.1",
        examples=["ADDRESS"],
        description="address to listen on; 0.0.0.0 for all of IPv4, :: for all of IPv6 and IPv4",
    )
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    tls_certificate: Path | None = Field(
        None,
        examples=["FILE"],
        description="speak HTTPS with this certificate: a PEM file, the server's own first, then those that signed it; "
        "unset: HTTP",
    )
    tls_key: Path | None = Field(
        None,
        examples=["FILE"],
        description="private key of the certificate, a PEM file without passphrase; unset: in the certificate's file",
    )
    tls_client_ca: Path | None = Field(
        None,
        examples=["FILE"],
        description="let in only clients with a certificate that these authorities have signed, a PEM file; "
        "unset: all clients",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        examples=["10.0.0.0/8,192.168.1.7"],
        description="addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; "
        "unset: those of none",
    )
    listen_when_ready: bool = Field(
        False,
        description="refuse connections until the service is ready; for a proxy that does not ask /readyz",
    )
    models: Path = Field(
        default_factory=default_repository,
        description="repository folder: <name>/<version>/manifest.json; unset: models in the working folder if it "
        "holds bundles, else the built-in one",
    )
    watch: bool = Field(
        False, description="look at the repository folder every 2 s and follow its changes, as SIGHUP does once"
    )
    admin_socket: str | None = Field(
        None,
        min_length=1,
        examples=["PATH"],
        description="Unix socket for `snellen models`; unset: snellen/PORT.sock in XDG_RUNTIME_DIR, or else "
        "snellen-UID/PORT.sock in the folder for temporary files; off: none",
    )
    default_model: str | None = Field(
        None,
        examples=["NAME"],
        description="model that answers /v1/classify; unset: the only one, else imagenet, else none",
    )
    providers: Annotated[tuple[Provider, ...], NoDecode] = Field(
        (),
        examples=["cuda,cpu"],
        description="execution providers, most wanted first; unset: cuda where installed, else cpu, or openvino where "
        "it is installed and faster; auto: the fastest of all installed",
    )
    strict: bool | None = Field(
        None, description="refuse to become ready on another provider than the first; unset: unless that is cpu"
    )
    precision: Precision | Literal["auto"] = Field(
        Precision.FP32,
        description="variant to serve of bundles that have it, such as int8; the others serve fp32; "
        "auto: the fastest of each bundle",
    )
    frontends: int = Field(
        0, ge=0, le=256, description="processes that speak HTTP and decode; 0: as many as suit the machine"
    )
    engines: int = Field(
        0,
        ge=0,
        le=64,
        description="processes that run the networks, one for each device; 0: each frontend does it itself",
    )
    threads_per_batch: int = Field(
        0, ge=0, le=256, description="threads that work on one batch, on CPU; 0: the fastest is found out"
    )
    single_image_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="threads for an image that is alone, on CPU; 0: one per core, at most 8",
    )
    concurrency: int = Field(0, ge=0, le=256, description="batches run at a time; 0: the fastest is found out")
    max_batch_size: int = Field(32, ge=1, le=1024, description="largest batch; the measured best may be smaller")
    max_batch_latency_ms: float = Field(
        50.0,
        gt=0,
        le=60_000,
        description="what a batch may take with all others at work; one of a single image may take longer",
    )
    tune_s: float = Field(
        0.3, ge=0, le=3600, description="time to find out how a model runs fastest, per variant and provider"
    )
    profile_cache: Path | None = Field(
        None, description="folder of what was measured; unset: snellen in XDG_CACHE_HOME, by default ~/.cache"
    )
    max_queue: int = Field(256, ge=1, le=100_000, description="images of one model accepted and not yet answered")
    decode_threads: int = Field(
        default_factory=usable_cores,
        ge=1,
        le=256,
        description="images decoded at a time before queueing, small in threads, others in processes",
    )
    decode_limit_s: float = Field(5.0, gt=0, le=600, description="time to decode one image")
    decode_memory_bytes: int = Field(
        1536 * MIB, ge=512 * MIB, le=MIB * MIB, description="address space of a process that decodes large images"
    )
    max_body_bytes: int = Field(32 * MIB, ge=1, le=4096 * MIB, description="largest request body")
    max_inflight_bytes: int = Field(
        256 * MIB, ge=1, le=MIB * MIB, description="bytes of all bodies being received or worked on"
    )
    max_pixels: int = Field(
        64_000_000, ge=1, le=_MOST_PIXELS, description="largest image, width times height, read from its header"
    )
    max_dense_pixels: int = Field(
        4_000_000,
        ge=1,
        le=_MOST_PIXELS,
        description="largest image with dense=1; the network's memory grows with it, see dense.md",
    )
    max_dense_predictions: int = Field(
        10_000,
        ge=1,
        le=10_000_000,
        description="cells of one image with dense=1, times top_k: what its answer may hold",
    )
    max_dense_queue: int = Field(
        16, ge=1, le=100_000, description="images with dense=1 of one model accepted and not yet answered"
    )
    max_images: int = Field(64, ge=1, le=100_000, description="images in one request; never more than max_queue")
    max_connections: int = Field(
        2048, ge=1, le=1_000_000, description="open connections; further ones are answered 503"
    )
    formats: Annotated[tuple[ImageFormat, ...], NoDecode] = Field(
        FORMATS,
        min_length=1,
        examples=["JPEG,PNG"],
        description="accepted image formats; heic too where snellen[heic] is installed",
    )
    deadline_s: float = Field(
        10.0, gt=0, le=3600, description="time for an answer once the body is in; X-Deadline-Ms lowers it"
    )
    body_timeout_s: float = Field(30.0, gt=0, le=3600, description="time for a request's head, and again for its body")
    keep_alive_s: int = Field(
        75, ge=0, le=86_400, description="time that an idle connection stays open; more than that of a proxy before it"
    )
    drain_delay_s: float = Field(1.0, ge=0, le=3600, description="after SIGTERM: time unready but still accepting")
    drain_limit_s: int = Field(30, ge=1, le=86_400, description="after that: time for accepted requests to be answered")
    worker_timeout_s: float = Field(
        10.0,
        ge=1,
        le=3600,
        description="a process of several that does not answer for so long is killed and started again",
    )
    allow_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        examples=["https://shop.example"],
        description="origins whose pages may call the service from a browser; * for all; unset: none",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        examples=["photos.example,*.shop.example"],
        description="host names that are answered; localhost and IP addresses are always; unset: all",
    )
    root_path: str = Field(
        "", examples=["/vision"], description="path prefix under which a proxy publishes the service; unset: none"
    )
    keys: Path | None = Field(
        None,
        examples=["FILE"],
        description="file of API keys, read again when it changes, see keys.md; with an empty file "
        "every request that needs a key is refused; unset: no key is needed",
    )
    admin_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        examples=["PORT"],
        description="port of the admin API, besides its socket, for keys with the scope admin; 0 takes a free one; "
        "needs --keys; unset: none",
    )
    admin_host: str = Field("127.0.0.1", examples=["ADDRESS"], description="address of the admin port, as with --host")
    key_rate: float | None = Field(
        None,
        ge=LOWEST_RATE,
        le=HIGHEST_RATE,
        description="images per second that each key may send which has no rate of its own in the file, see limits.md; "
        "unset: no limit",
    )
    key_burst: int | None = Field(
        None,
        ge=1,
        le=MOST_BURST,
        description="images that such a key may send at once, after a pause; unset: those of one second",
    )
    address_rate: float | None = Field(
        None,
        ge=LOWEST_RATE,
        le=HIGHEST_RATE,
        description="images per second that each address may send where no keys are needed, see limits.md; "
        "unset: no limit",
    )
    address_burst: int | None = Field(
        None,
        ge=1,
        le=MOST_BURST,
        description="images that an address may send at once, after a pause; unset: those of one second",
    )
    access_log: bool = Field(False, description="one log line per request")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level logged")
    log_format: Literal["text", "json"] = Field(
        "text", description="form of the log's lines: for people, or one JSON object a line for machines"
    )

    traces: bool = Field(
        False,
        description="send spans of requests and of their stages to an OpenTelemetry collector; the variables OTEL_... "
        "say where it is, see traces.md; takes snellen[otel]",
    )

    @property
    def scheme(self) -> str:
        """What the address of the service begins with: http or https."""
        return "http" if self.tls_certificate is None else "https"

    @field_validator("port", "admin_port", mode="before")
    @classmethod
    def _ignore_kubernetes(cls, value: object, info: ValidationInfo) -> object:
        """Ignore SNELLEN_PORT=tcp://..., which Kubernetes sets in every pod for a Service called snellen.

        The same holds for SNELLEN_ADMIN_PORT and a Service called snellen-admin.
        """
        if isinstance(value, str) and value.startswith("tcp://"):
            return cls.model_fields[str(info.field_name)].default
        return value

    @field_validator("formats")
    @classmethod
    def _check_formats(cls, formats: tuple[ImageFormat, ...]) -> tuple[ImageFormat, ...]:
        if reasons := [*filter(None, map(_missing_package, formats))]:
            raise ValueError(reasons[0])
        return formats

    @field_validator("providers")
    @classmethod
    def _check_providers(cls, providers: tuple[Provider, ...]) -> tuple[Provider, ...]:
        reasons = [*map(_missing_package, providers)]
        if reasons and all(reasons):
            raise ValueError(reasons[0])
        return providers

    @field_validator("tls_key", "tls_client_ca")
    @classmethod
    def _check_tls(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("tls_certificate") is None:
            raise ValueError("there is no TLS without a certificate: add --tls-certificate FILE")
        return file

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy, strict=False)
            except ValueError:
                example = "write it as 10.0.0.0/8 or 192.168.1.7"
                raise ValueError(f"{proxy!r} is no IP address and no network; {example}") from None
        return proxies

    @field_validator("traces")
    @classmethod
    def _check_traces(cls, traces: bool) -> bool:
        if traces and not _is_installed("opentelemetry.exporter.otlp.proto.http"):
            raise ValueError("traces take packages that are not installed: pip install 'snellen[otel]'")
        return traces

    @field_validator("allow_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(f"{wrong[0]!r} is no origin: write scheme and host only, as in https://shop.example:8443")
        return tuple(_USUAL_PORT.sub(r"\1\2", origin.lower()) for origin in origins)

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
            raise ValueError(f"{wrong[0]!r} is no host name: write it without scheme and port, as in photos.example")
        return hosts

    @field_validator("keys", mode="before")
    @classmethod
    def _check_keys(cls, keys: object) -> object:
        """Refuse an empty value: it may come from a variable that was forgotten, and no key would be needed."""
        if keys == "":
            raise ValueError("the name of the key file is empty; name a file, or leave the setting out to need no keys")
        return keys

    @field_validator("admin_port")
    @classmethod
    def _check_admin_port(cls, port: int | None, info: ValidationInfo) -> int | None:
        if port is not None and info.data.get("keys") is None:
            raise ValueError(
                "an admin port without keys would let every client change the models: add --keys FILE, or use the "
                "admin socket"
            )
        if port and port == info.data.get("port"):
            raise ValueError(f"{port} is the port of the service itself, see --port; choose another one")
        return port

    @field_validator("admin_host")
    @classmethod
    def _check_admin_host(cls, host: str, info: ValidationInfo) -> str:
        if host != cls.model_fields["admin_host"].default and info.data.get("admin_port", 0) is None:
            raise ValueError("there is no admin port whose address it could be: add --admin-port PORT")
        return host

    @field_validator("key_rate", "address_rate")
    @classmethod
    def _check_rate(cls, rate: float | None, info: ValidationInfo) -> float | None:
        """Refuse a limit that no request would ever meet."""
        if rate is None or "keys" not in info.data:
            return rate
        has_keys = info.data["keys"] is not None
        if info.field_name == "key_rate" and not has_keys:
            raise ValueError("there are no keys without --keys FILE; add it, or use --address-rate")
        if info.field_name == "address_rate" and has_keys:
            raise ValueError("with --keys every client has a key, so that this limits none; use --key-rate")
        return rate

    @field_validator("key_burst", "address_burst")
    @classmethod
    def _check_burst(cls, burst: int | None, info: ValidationInfo) -> int | None:
        rate = str(info.field_name).replace("burst", "rate")
        if burst is not None and rate in info.data and info.data[rate] is None:
            raise ValueError(f"a burst needs a rate: add --{rate.replace('_', '-')}, in images per second")
        return burst

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, root_path: str) -> str:
        root_path = root_path.rstrip("/")
        if not _ROOT_PATH.fullmatch(root_path) or {".", ".."} & set(root_path.split("/")):
            raise ValueError(f"{root_path!r} is no path prefix: write a slash and plain segments, as in /vision")
        if (first := root_path.split("/")[1:2]) and first[0] in _OWN_PATHS:
            raise ValueError(f"/{first[0]} is a path of the service itself; choose another prefix, as in /vision")
        return root_path

    @field_validator("providers", "formats", "allow_origins", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str):
            parts = tuple(part.strip() for part in value.split(",") if part.strip())
            return tuple(part.upper() for part in parts) if info.field_name == "formats" else parts
        return value


GROUPS: dict[str, tuple[str, ...]] = {
    "Models": ("models", "watch", "admin_socket", "default_model", "precision"),
    "Address": ("host", "port", "listen_when_ready", "root_path", "max_connections", "keep_alive_s"),
    "Access": ("keys", "admin_port", "admin_host", "key_rate", "key_burst", "address_rate", "address_burst"),
    "TLS and proxies": ("tls_certificate", "tls_key", "tls_client_ca", "trusted_proxies"),
    "Browsers": ("allow_origins", "allowed_hosts"),
    "Images": (
        *("formats", "max_pixels", "max_dense_pixels", "max_dense_predictions"),
        *("decode_threads", "decode_limit_s", "decode_memory_bytes"),
    ),
    "Requests": (
        *("max_images", "max_body_bytes", "max_inflight_bytes", "max_queue", "max_dense_queue"),
        *("deadline_s", "body_timeout_s"),
    ),
    "Devices and processes": ("providers", "strict", "frontends", "engines", "worker_timeout_s"),
    "Speed": (
        *("tune_s", "profile_cache", "max_batch_size", "max_batch_latency_ms"),
        *("concurrency", "threads_per_batch", "single_image_threads"),
    ),
    "Shutdown": ("drain_delay_s", "drain_limit_s"),
    "Log": ("access_log", "log_format", "log_level"),
    "Traces": ("traces",),
}
"""Topic -> its settings, in the order of `snellen serve --help` and docs/settings.md. Each setting has one topic."""


def _is_installed(module: str) -> bool:
    """Return whether a module can be imported; it is not, but the packages around it are."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _missing_package(value: str) -> str | None:
    """Return how to install what a value of a setting takes; None where it is installed, or takes nothing."""
    if value not in _PACKAGES:
        return None
    module, extra = _PACKAGES[value]
    if _is_installed(module):
        return None
    return f"{value} takes a package that is not installed: pip install 'snellen[{extra}]'"


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Return names that look like settings but are not, because a typing error would go unnoticed.

    Settings are read in upper and lower case, so names are judged in any case.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(
        name
        for name in environment
        if (upper := name.upper()).startswith(PREFIX) and upper not in known and not upper.startswith(_NOT_OURS)
    )


def permitted_range(name: str) -> str:
    """Return the range of a setting in words, such as `1 to 65535` or `above 0, to 600`; empty if it has none."""
    limits = {
        limit: getattr(each, limit)
        for each in Settings.model_fields[name].metadata
        for limit in ("ge", "gt", "le")
        if hasattr(each, limit)
    }
    if "le" not in limits:
        return ""
    return f"{limits['ge']:,} to {limits['le']:,}" if "ge" in limits else f"above {limits['gt']:,}, to {limits['le']:,}"

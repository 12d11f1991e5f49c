"""The metrics of a process; every name starts with `snellen_`."""

from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from service.telemetry.drift import DriftMetrics

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SECONDS_BEYOND = (-1, -0.5, -0.2, -0.1, -0.05, -0.02, -0.01, -0.005, 0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_MODEL = ("model", "version")
STAGES = ("receive", "decode", "queue", "infer", "total")


class RequestMetrics:
    """Metrics of requests."""

    def __init__(self, to: CollectorRegistry) -> None:
        self.answered = Counter("snellen_requests", "Requests by route and status", ("route", "status"), registry=to)
        self.problems = Counter(
            "snellen_problems", "Problems answered, of requests and of single images", ("type",), registry=to
        )
        self.refused_connections = Counter(
            "snellen_refused_connections",
            "Connections ended with an error outside any request, by its status; not in snellen_requests_total",
            ("status",),
            registry=to,
        )
        self.by_key = Counter(
            "snellen_key_requests",
            "Requests with a valid API key, by the name of the key; outcome is allowed, or forbidden for want of a "
            "scope or model",
            ("key", "outcome"),
            registry=to,
        )
        self.unauthenticated = Counter(
            "snellen_unauthenticated_requests",
            "Requests refused since they have no valid API key; reason is missing, invalid, expired or ambiguous",
            ("reason",),
            registry=to,
        )
        self.rate_limited = Counter(
            "snellen_rate_limited_requests",
            "Requests refused since their client sent more images than its limit, by the name of the key; empty for "
            "clients without a key",
            ("key",),
            registry=to,
        )
        self.failed_handshakes = Counter(
            "snellen_failed_tls_handshakes",
            "Connections to the TLS port without a complete handshake, by reason; not in snellen_requests_total",
            ("reason",),
            registry=to,
        )
        self.stages = Histogram(
            "snellen_stage_seconds", "Time by stage of a request", ("stage",), buckets=_SECONDS, registry=to
        )
        for stage in STAGES:
            self.stages.labels(stage)
        self.delayed_rejections = Gauge(
            "snellen_delayed_rejections",
            "Refused requests whose answer waits a moment, since most are refused",
            registry=to,
        )
        self.inflight_bytes = Gauge("snellen_inflight_bytes", "Bytes of bodies held", registry=to)
        self.queue_limit = Gauge("snellen_queue_limit", "Pending images at which requests are refused", registry=to)
        self.deadline = Gauge("snellen_deadline_seconds", "Time for an answer before it is a 504", registry=to)


class ModelMetrics:
    """Metrics by version: queue and admission."""

    def __init__(self, to: CollectorRegistry) -> None:
        self.images = Counter("snellen_images", "Images classified", _MODEL, registry=to)
        self.queue_depth = Gauge("snellen_queue_depth", "Images waiting for a batch", _MODEL, registry=to)
        self.pending = Gauge("snellen_pending_images", "Images accepted, not answered", _MODEL, registry=to)
        self.latency_prediction_errors = Histogram(
            "snellen_latency_prediction_error_seconds",
            "Time that answers took beyond what was forecast when they were accepted; below 0: they came earlier",
            _MODEL,
            buckets=_SECONDS_BEYOND,
            registry=to,
        )
        self.ready = Gauge(
            "snellen_model_ready",
            "1 when the version answers, 0 when it was refused at load",
            (*_MODEL, "provider"),
            registry=to,
        )
        self.states = Gauge(
            "snellen_model_state",
            "1 for the state of each version: discovered, verifying, warming, ready, retiring or failed",
            (*_MODEL, "state"),
            registry=to,
        )

    def show(self, versions: Mapping[tuple[str, str], tuple[str, str | None]]) -> None:
        """Set the states. versions: by model and version, the state and the execution provider, None if there is none.

        Versions that are not named have no state any more.
        """
        self.ready.clear()
        self.states.clear()
        for labels, (state, provider) in versions.items():
            self.states.labels(*labels, state).set(1)
            if state in {"ready", "failed"}:
                self.ready.labels(*labels, provider or "none").set(state == "ready")


class BatchMetrics:
    """Metrics by version: batches of the engine."""

    def __init__(self, to: CollectorRegistry) -> None:
        self.sizes = Histogram("snellen_batch_size", "Images in a batch", _MODEL, buckets=_SIZES, registry=to)
        self.seconds = Histogram("snellen_batch_seconds", "Time to run a batch", _MODEL, buckets=_SECONDS, registry=to)
        self.dense_seconds = Histogram(
            "snellen_dense_seconds", "Time to run one image with dense=1", _MODEL, buckets=_SECONDS, registry=to
        )
        self.preemptions = Counter(
            "snellen_preempted_batches", "Bulk batches that gave way to others", _MODEL, registry=to
        )
        self.failures = Counter(
            "snellen_engine_failures",
            "Batches that the model could not run, or whose output holds NaN or infinity",
            _MODEL,
            registry=to,
        )


class ProcessMetrics:
    """Metrics of this process and of its decode workers."""

    def __init__(self, to: CollectorRegistry) -> None:
        ProcessCollector(namespace="snellen", registry=to)
        self.ready = Gauge("snellen_ready", "1 when /readyz says so", registry=to)
        self.decode_worker_restarts = Counter(
            "snellen_decode_worker_restarts", "Decoding processes lost to an image, and started again", registry=to
        )
        self.dropped_log_lines = Counter(
            "snellen_dropped_log_lines", "Lines of the log dropped, since standard error was not read", registry=to
        )
        self.certificate_ends = Gauge(
            "snellen_tls_certificate_expiry_timestamp_seconds",
            "End of the TLS certificate in force, in seconds since 1970; by its file",
            ("file",),
            registry=to,
        )
        self.spans = Counter(
            "snellen_spans",
            "Spans of traces: sent, dropped since too many waited, or failed since no collector took them",
            ("result",),
            registry=to,
        )
        self.slots = Gauge(
            "snellen_slots", "Places for images on their way to an engine process", ("state",), registry=to
        )


class AdminPortMetrics:
    """Metrics of a main process of several, which answers requests only on its admin port."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = RequestMetrics(self.registry)


class Metrics:
    """All metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = RequestMetrics(self.registry)
        self.models = ModelMetrics(self.registry)
        self.batches = BatchMetrics(self.registry)
        self.drift = DriftMetrics(self.registry)
        self.process = ProcessMetrics(self.registry)

    def forget(self, model: str, version: str) -> None:
        """Remove all that was counted of a version that is no longer served, but for its state."""
        models, batches = self.models, self.batches
        for metric in (
            models.images,
            models.queue_depth,
            models.pending,
            models.latency_prediction_errors,
            batches.sizes,
            batches.seconds,
            batches.dense_seconds,
            batches.preemptions,
            batches.failures,
        ):
            with suppress(KeyError):  # engine processes admit nothing, so they lack some of them
                metric.remove(model, version)
        self.drift.forget(model, version)

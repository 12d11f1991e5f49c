"""Counters and stage histograms; every name starts with `snellen_`."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)

from service.histogram import Histogram

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_MODEL = ("model", "version")
STAGES = ("receive", "decode", "queue", "infer", "total")


class Metrics:
    """All metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="snellen", registry=self.registry)
        self.requests = Counter(
            "snellen_requests", "Requests by route and status", ("route", "status"), registry=self.registry
        )
        self.problems = Counter(
            "snellen_problems", "Problems answered, of requests and of single images", ("type",), registry=self.registry
        )
        self.images = Counter("snellen_images", "Images classified", _MODEL, registry=self.registry)
        self.stages = Histogram(
            "snellen_stage_seconds", "Time by stage of a request", ("stage",), buckets=_SECONDS, registry=self.registry
        )
        self.batch_size = Histogram(
            "snellen_batch_size", "Images in a batch", _MODEL, buckets=_SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "snellen_batch_seconds", "Time to run a batch", _MODEL, buckets=_SECONDS, registry=self.registry
        )
        self.dense_seconds = Histogram(
            "snellen_dense_seconds",
            "Time to run one image with dense=1",
            _MODEL,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.forecast_errors = Histogram(
            "snellen_forecast_error_seconds",
            "Time that answers took beyond what was forecast when they were accepted; below 0: they came earlier",
            _MODEL,
            buckets=(-1, -0.5, -0.2, -0.1, -0.05, -0.02, -0.01, -0.005, 0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
            registry=self.registry,
        )
        self.preemptions = Counter(
            "snellen_preempted_batches", "Bulk batches that gave way to others", _MODEL, registry=self.registry
        )
        self.queue_depth = Gauge("snellen_queue_depth", "Images waiting for a batch", _MODEL, registry=self.registry)
        self.pending = Gauge("snellen_pending_images", "Images accepted, not answered", _MODEL, registry=self.registry)
        self.queue_limit = Gauge(
            "snellen_queue_limit", "Pending images at which requests are refused", registry=self.registry
        )
        self.deadline = Gauge(
            "snellen_deadline_seconds", "Time for an answer before it is a 504", registry=self.registry
        )
        self.engine_failures = Counter(
            "snellen_engine_failures",
            "Batches that the model could not run, or answered with what is no number",
            _MODEL,
            registry=self.registry,
        )
        self.decoder_losses = Counter(
            "snellen_decoder_losses", "Decoding processes lost to an image, and started again", registry=self.registry
        )
        self.inflight_bytes = Gauge("snellen_inflight_bytes", "Bytes of bodies held", registry=self.registry)
        self.slots = Gauge(
            "snellen_slots", "Places for images on their way to an engine process", ("state",), registry=self.registry
        )
        self.model_ready = Gauge(
            "snellen_model_ready",
            "1 when the version answers, 0 when it was refused at load",
            (*_MODEL, "provider"),
            registry=self.registry,
        )
        self.ready = Gauge("snellen_ready", "1 when /readyz says so", registry=self.registry)
        for stage in STAGES:
            self.stages.labels(stage)

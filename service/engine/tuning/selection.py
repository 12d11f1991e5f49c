"""Selects the configuration to serve with, and explains the choice in a sentence."""

from collections.abc import Sequence

from service.engine.profile import Measurement

TOLERANCE = 0.03
"""Share of the throughput that a smaller batch may cost.

See docs/decisions/the-smallest-batch-within-three-percent.md.
"""


def select(tried: Sequence[Measurement], latency_s: float) -> Measurement:
    """Return the smallest batch within TOLERANCE of the best throughput that meets the latency limit.

    A batch of one image always counts as meeting the limit.
    """
    allowed = [each for each in tried if each.batch_size == 1 or each.seconds <= latency_s] or list(tried)
    best = max(each.images_per_s for each in allowed)
    near = [each for each in allowed if each.images_per_s >= best * (1 - TOLERANCE)]
    return min(near, key=lambda each: (each.batch_size, -each.images_per_s))


def explain_selection(chosen: Measurement, tried: Sequence[Measurement], latency_s: float) -> str:
    """Return the reason for the choice, for clients and for the log."""
    text = f"{chosen.images_per_s:.0f} images/s, batches of {chosen.batch_size} in {chosen.seconds * 1000:.1f} ms"
    others = [each for each in tried if each != chosen]
    if not others:
        return f"{text}; nothing else was tried"
    fastest = max(others, key=lambda each: each.images_per_s)
    text += f"; next best of {len(tried)} tried: {described(fastest, chosen)} with {fastest.images_per_s:.0f} images/s"
    if fastest.batch_size > 1 and fastest.seconds > latency_s:
        return f"{text}, over {latency_s * 1000:g} ms a batch"
    if fastest.images_per_s > chosen.images_per_s:
        return f"{text}, within {TOLERANCE:.0%} but a larger batch"
    return text


def described(tried: Measurement, beside: Measurement | None = None) -> str:
    """Return a measurement in words, such as `fp32 on cpu, 2 at a time of 1 thread, batches of 4`.

    beside: if given, only the differences to this measurement are named.
    """

    def differs(*names: str) -> bool:
        return beside is None or any(getattr(tried, name) != getattr(beside, name) for name in names)

    parts = []
    if differs("precision", "provider"):
        parts.append(f"{tried.precision} on {tried.provider}{' with CUDA graphs' * tried.cuda_graph}")
    if differs("cuda_graph", "concurrency", "threads_per_batch"):
        threads = f"{tried.threads_per_batch} thread{'s' * (tried.threads_per_batch > 1)}"
        parts.append(f"{tried.concurrency} at a time of {threads}")
    return ", ".join([*parts, f"batches of {tried.batch_size}"])

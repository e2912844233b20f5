"""Counts requests for Prometheus, under the names that TensorFlow Serving has for them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import accumulate

PATH = "/monitoring/prometheus/metrics"
KIND = "text/plain; version=0.0.4; charset=utf-8"
COUNT, LATENCY = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"
LIMITS = tuple(10 * 1.8**step for step in range(33))  # microseconds, the upper ends of the buckets
CODES = {  # names of the server's error codes by HTTP status
    200: "OK",
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RequestMetrics:
    """Counters and latencies of the requests to each model; threads share them.

    Example:
        >>> metrics = RequestMetrics()
        >>> metrics.record("shapes", 404, seconds=0.01)
        >>> print(metrics.text().splitlines()[1])
        :tensorflow:serving:request_count{model_name="shapes",status="NOT_FOUND"} 1
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(LIMITS) + 1))
        self.sums: Counter[str] = Counter()

    def record(self, model: str, status: int, *, seconds: float, predicted: bool = False) -> None:
        """Counts a request.

        Args:
            model: Name of a loaded model.
            status: HTTP status of the reply.
            seconds: From the request's body to the reply.
            predicted: Whether it was a prediction; the time of one that succeeded is kept.
        """
        microseconds = round(seconds * 1e6)
        with self.lock:
            self.counts[model, CODES.get(status, "UNKNOWN")] += 1
            if predicted and status == 200:
                self.buckets[model][bisect_left(LIMITS, microseconds)] += 1
                self.sums[model] += microseconds

    def text(self) -> str:
        """Writes all in Prometheus' text format."""
        with self.lock:
            lines = [f"# TYPE {COUNT} counter"]
            for (model, code), count in sorted(self.counts.items()):
                lines.append(f'{COUNT}{{{label(model)},status="{code}"}} {count}')
            lines.append(f"# TYPE {LATENCY} histogram")
            for model, counts in sorted(self.buckets.items()):
                lines += histogram(f'{label(model)},API="Predict",entrypoint="REST"', counts, self.sums[model])
        return "\n".join(lines) + "\n"


def histogram(labels: str, counts: Sequence[int], total: int) -> list[str]:
    """Writes the lines of one histogram, whose buckets count all that is not above their limit."""
    limits, below = [*(f"{limit:g}" for limit in LIMITS), "+Inf"], list(accumulate(counts))
    buckets = [f'{LATENCY}_bucket{{{labels},le="{limit}"}} {n}' for limit, n in zip(limits, below, strict=True)]
    return [*buckets, f"{LATENCY}_sum{{{labels}}} {total}", f"{LATENCY}_count{{{labels}}} {below[-1]}"]


def label(model: str) -> str:
    """Writes a model's name as a label."""
    return 'model_name="' + model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'

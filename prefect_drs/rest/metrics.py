"""Metrics of the REST face in the format of Prometheus.

In: what happened. Out: text. Labels are the route's path with its names in braces, never a value of a request, so that
their number is bounded and no name leaks. Each app has a registry of its own.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters, durations in seconds, and what is open at the moment."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("method", "route")
        self.requests = Counter(
            "prefect_drs_http_requests_total",
            "Requests that were answered.",
            (*names, "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "prefect_drs_http_request_seconds",
            "Time until the answer was complete.",
            names,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "prefect_drs_http_requests_in_flight", "Requests that are being answered.", registry=self.registry
        )
        self.limited = Counter(
            "prefect_drs_http_requests_limited_total",
            "Requests that were refused for their number.",
            registry=self.registry,
        )
        self.streams = Gauge("prefect_drs_event_streams", "Open streams of events.", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All metrics, as Prometheus reads them."""
        return generate_latest(self.registry)

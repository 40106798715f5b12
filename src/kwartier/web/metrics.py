"""What is counted for Prometheus: requests by the template of their route, refusals by their code. Nobody stands in it."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The bounds of the histogram; pages are to be there within the 0.2."""
MEDIA_TYPE = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The metrics of one server, in a registry of its own."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    refusals: Counter
    streams: Gauge
    sessions: Gauge

    def answered(self, route: str, method: str, status: int, took_s: float) -> None:
        """A request was answered."""
        self.requests.labels(route, method, f"{status}").inc()
        self.seconds.labels(route).observe(took_s)

    def text(self) -> bytes:
        """As Prometheus reads them."""
        return generate_latest(self.registry)


def metrics() -> Metrics:
    """All at nought."""
    registry = CollectorRegistry()
    return Metrics(
        registry=registry,
        requests=Counter(
            "kwartier_http_requests", "Requests answered", ("route", "method", "status"), registry=registry
        ),
        seconds=Histogram(
            "kwartier_http_seconds", "Time to the end of an answer", ("route",), buckets=SECONDS, registry=registry
        ),
        refusals=Counter("kwartier_http_refusals", "Errors answered, by code", ("code",), registry=registry),
        streams=Gauge("kwartier_event_streams", "Event streams that are open", registry=registry),
        sessions=Gauge("kwartier_sessions", "Sessions that are kept", registry=registry),
    )

"""The metrics and their registry."""

from prometheus_client import generate_latest

from service.operations.metrics import Metrics


def test_every_metric_has_our_prefix_and_a_help_text() -> None:
    """All names begin with vilem_, and each says what it counts."""
    families = list(Metrics().registry.collect())

    assert families
    assert [] == [each.name for each in families if not each.name.startswith("vilem_")]
    assert [] == [each.name for each in families if not each.documentation]


def test_two_sets_do_not_meet() -> None:
    """Each app has its own registry: counting in one leaves the other alone."""
    one, two = Metrics(), Metrics()
    one.requests.labels("/x", 200).inc()

    assert b'route="/x"' in generate_latest(one.registry)
    assert b'route="/x"' not in generate_latest(two.registry)

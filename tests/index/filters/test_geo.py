"""index.filters.geo: circles on a sphere, and boxes that hold them, at the poles and across the antimeridian too."""

import math

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.fields.types import Field
from index.filters.geo import EARTH_RADIUS_M, box, near
from index.filters.nodes import Near
from tests.index.filters.support import metres

PLACE = Field("place", "geo")
LATS = st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 0.0, 89.999, -89.999])
LONS = st.floats(-180, 180) | st.sampled_from([-180.0, 180.0, 0.0, 179.999, -179.999])
RADII = st.floats(1, 2.1e7)


def within(points: list[tuple[float, float]], circle: Near) -> list[bool]:
    """Whether points are in a circle, as Arrow itself evaluates the expression."""
    table = pa.table({"n": range(len(points)), "lat": [lat for lat, _ in points], "lon": [lon for _, lon in points]})
    found = pads.dataset(table).to_table(filter=near(pc.field("lat"), pc.field("lon"), circle))["n"].to_pylist()
    return [number in found for number in range(len(points))]


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        ((48.1351, 11.5820), (52.5200, 13.4050), 504.4),
        ((90, 0), (-90, 0), 20_015.1),
        ((0, 179.5), (0, -179.5), 111.2),
        ((89.5, 0), (89.5, 180), 111.2),
        ((0, 0), (0, 0.00001), 0.001112),
    ],
)
def test_known_distances(one: tuple[float, float], other: tuple[float, float], kilometres: float) -> None:
    """Munich and Berlin, pole to pole, across the antimeridian, over a pole, and a metre."""
    slightly = 0.001 * kilometres
    assert [True] == within([other], Near(PLACE, *one, (kilometres + slightly) * 1_000))
    assert [False] == within([other], Near(PLACE, *one, (kilometres - slightly) * 1_000))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(LATS, LONS), min_size=1, max_size=8), LATS, LONS, RADII)
def test_a_point_is_within_by_its_angle(
    points: list[tuple[float, float]], lat: float, lon: float, radius: float
) -> None:
    """The haversine agrees with the angle between vectors, but for what lies on the edge to within a ten-millionth."""
    found = within(points, Near(PLACE, lat, lon, radius))
    for point, inside in zip(points, found, strict=True):
        distance = metres(point, (lat, lon))
        # far around the earth an ulp of a cosine is worth metres
        if abs(distance - radius) > 1e-7 * radius + 1e-3 and distance < 0.99 * math.pi * EARTH_RADIUS_M:
            assert (distance <= radius) == inside


@given(st.lists(st.tuples(LATS, LONS), min_size=1, max_size=8), LATS, LONS, RADII)
def test_the_box_holds_the_circle(points: list[tuple[float, float]], lat: float, lon: float, radius: float) -> None:
    """No point of a circle lies outside of its box, which has no more than two ranges of longitude within their bounds."""
    (south, north), ranges = box(Near(PLACE, lat, lon, radius))
    assert -90 <= south <= north <= 90
    assert 1 <= len(ranges) <= 2
    assert all(-180 <= west <= east <= 180 for west, east in ranges)
    for point in points:
        if metres(point, (lat, lon)) <= radius:
            assert south <= point[0] <= north
            assert any(west <= point[1] <= east for west, east in ranges)


def test_the_box_is_narrow_where_it_can_be() -> None:
    """A small circle has a small box, also at the antimeridian; only at a pole it has all longitudes."""
    (south, north), [(west, east)] = box(Near(PLACE, 60, 10, 1_000))
    assert 0.0179 < north - south < 0.0181 and 0.0359 < east - west < 0.0361
    _, ranges = box(Near(PLACE, 0, 180, 1_000))
    assert 0.0179 < sum(east - west for west, east in ranges) < 0.0181
    assert {-180.0, 180.0} == {end for each in ranges for end in each if abs(end) == 180}
    assert [(-180.0, 180.0)] == box(Near(PLACE, 89.995, 10, 1_000))[1]
    assert ((-90.0, 90.0), [(-180.0, 180.0)]) == box(Near(PLACE, 10, 10, 1e9))

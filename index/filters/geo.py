"""Points within a radius, as an expression over columns of latitude and longitude."""

import math

import pyarrow.compute as pc

from index.filters.nodes import Near

# Mean radius of the earth (IUGG); the sphere is off by at most 0.6 % against the ellipsoid.
EARTH_RADIUS_M = 6_371_008.8
# Degrees by which the box is larger than the circle, against rounding: a tenth of a millimetre.
_SLACK = 1e-9
_HALF_RADIANS = math.pi / 360


def near(lat: pc.Expression, lon: pc.Expression, circle: Near) -> pc.Expression:
    """Whether (lat, lon) in degrees lies in *circle*: the haversine of the angle between, which is exact for small ones too.

    hav(angle) = hav(lat - lat0) + cos(lat) cos(lat0) hav(lon - lon0), with hav(x) = sin²(x / 2); R. W. Sinnott, "Virtues
    of the haversine", Sky and Telescope 68 (1984).
    """
    shrink = math.cos(math.radians(circle.lat))
    haversine = _half_sine_squared(lat - circle.lat) + _call(
        "cos", lat * (2 * _HALF_RADIANS)
    ) * shrink * _half_sine_squared(lon - circle.lon)
    # more than half around the earth is all of it
    half_angle = min(circle.radius_m / EARTH_RADIUS_M, math.pi) / 2
    return haversine <= pc.scalar(math.sin(half_angle) ** 2)


def box(circle: Near) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """Degrees that hold the circle: lowest and highest latitude, and ranges of longitude.

    Around a pole there is one range of all longitudes; across the antimeridian there are two.
    """
    angle = circle.radius_m / EARTH_RADIUS_M
    reach = math.degrees(angle) + _SLACK
    lats = (max(-90.0, circle.lat - reach), min(90.0, circle.lat + reach))
    if abs(circle.lat) + reach >= 90:
        return lats, [(-180.0, 180.0)]
    # where a meridian touches the circle, not where its own parallel meets it
    reach = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(circle.lat)))) + _SLACK
    west, east = circle.lon - reach, circle.lon + reach
    # 180 and -180 are one meridian
    if west <= -180:
        return lats, [(-180.0, east), (west + 360, 180.0)]
    if east >= 180:
        return lats, [(west, 180.0), (-180.0, east - 360)]
    return lats, [(west, east)]


def _half_sine_squared(degrees: pc.Expression) -> pc.Expression:
    sine = _call("sin", degrees * _HALF_RADIANS)
    return sine * sine


def _call(name: str, argument: pc.Expression) -> pc.Expression:
    # pyarrow makes these functions when it is imported, so no checker knows them
    return getattr(pc, name)(argument)

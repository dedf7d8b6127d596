"""A made-up table of rental listings in New York. No row describes a real listing, host or price.

The places are real and roughly where they are; everything else is drawn from invented distributions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 12_000
SEED = 19
NOISE = 0.30
"""Spread of the logarithm of the price around what the listing is like."""


class Place(NamedTuple):
    """A neighbourhood."""

    group: str
    name: str
    latitude: float
    longitude: float
    share: float
    """Relative frequency of listings."""
    dearness: float
    """Factor on the price."""


PLACES = (
    Place("Manhattan", "Harlem", 40.812, -73.945, 6, 0.85),
    Place("Manhattan", "Midtown", 40.755, -73.978, 6, 1.75),
    Place("Manhattan", "Upper West Side", 40.787, -73.975, 5, 1.40),
    Place("Manhattan", "Upper East Side", 40.773, -73.957, 5, 1.35),
    Place("Manhattan", "East Village", 40.727, -73.983, 5, 1.35),
    Place("Manhattan", "Chelsea", 40.746, -74.001, 4, 1.65),
    Place("Manhattan", "Tribeca", 40.716, -74.009, 1, 2.10),
    Place("Manhattan", "West Village", 40.735, -74.004, 3, 1.75),
    Place("Manhattan", "Washington Heights", 40.842, -73.939, 3, 0.70),
    Place("Manhattan", "Lower East Side", 40.715, -73.985, 3, 1.25),
    Place("Brooklyn", "Williamsburg", 40.711, -73.956, 9, 1.15),
    Place("Brooklyn", "Bedford-Stuyvesant", 40.686, -73.942, 8, 0.80),
    Place("Brooklyn", "Bushwick", 40.696, -73.921, 6, 0.70),
    Place("Brooklyn", "Park Slope", 40.671, -73.980, 3, 1.20),
    Place("Brooklyn", "Crown Heights", 40.671, -73.945, 5, 0.80),
    Place("Brooklyn", "Greenpoint", 40.729, -73.952, 3, 1.05),
    Place("Brooklyn", "Flatbush", 40.642, -73.960, 3, 0.65),
    Place("Brooklyn", "Dumbo", 40.703, -73.987, 1, 1.70),
    Place("Queens", "Astoria", 40.763, -73.923, 4, 0.80),
    Place("Queens", "Long Island City", 40.747, -73.943, 2, 0.95),
    Place("Queens", "Flushing", 40.758, -73.820, 2, 0.65),
    Place("Queens", "Ridgewood", 40.706, -73.903, 2, 0.65),
    Place("Queens", "Jamaica", 40.694, -73.793, 1, 0.58),
    Place("Bronx", "Mott Haven", 40.810, -73.924, 1, 0.62),
    Place("Bronx", "Kingsbridge", 40.879, -73.903, 1, 0.58),
    Place("Staten Island", "St. George", 40.642, -74.077, 0.6, 0.62),
    Place("Staten Island", "Tottenville", 40.509, -74.239, 0.2, 0.75),
)
ROOMS = ("Entire home/apt", "Private room", "Shared room")
_ROOM_SHARES, _ROOM_PRICES = (0.52, 0.455, 0.025), (155.0, 70.0, 42.0)
_HOSTS = (
    "Ada",
    "Amir",
    "Ana",
    "Ben",
    "Carla",
    "Chen",
    "Dana",
    "Diego",
    "Elif",
    "Emma",
    "Farid",
    "Grace",
    "Hana",
    "Ivan",
    "Jade",
    "Jonas",
    "Kai",
    "Kim",
    "Lea",
    "Luis",
    "Mara",
    "Mei",
    "Nils",
    "Noor",
    "Olga",
    "Omar",
    "Pia",
    "Raj",
    "Rosa",
    "Sam",
    "Sofia",
    "Tara",
    "Theo",
    "Uma",
    "Vera",
    "Yuki",
)
_LOOKS = ("Sunny", "Cozy", "Spacious", "Quiet", "Charming", "Modern", "Bright", "Lovely", "Large", "Airy")
_LUXURY = ("Luxury", "Designer", "Penthouse:")
_KINDS = (
    ("apartment", "loft", "home", "2 bedroom flat"),
    ("room", "bedroom", "private room", "studio corner"),
    ("shared room", "bed", "couch", "bunk"),
)
_EXTRAS = ("", "", "", " near the subway", " with garden", " with a view", ", close to the park", "!")


def make() -> pa.Table:
    """Makes the table: 12,000 rows, 16 columns, some prices and places out of bounds, the same each time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rng = np.random.default_rng(SEED)
    shares = np.array([place.share for place in PLACES])
    where = rng.choice(len(PLACES), ROWS, p=shares / shares.sum())
    room = rng.choice(len(ROOMS), ROWS, p=_ROOM_SHARES)
    luxury = rng.random(ROWS) < np.where(room == 0, 0.10, 0.02)
    latitude, longitude = (
        np.array([getattr(place, axis) for place in PLACES])[where] + rng.normal(0, 0.006, ROWS)
        for axis in ("latitude", "longitude")
    )
    nights = rng.choice([1, 2, 3, 4, 5, 7, 14, 30, 60, 180], ROWS, p=_shares(26, 24, 17, 7, 6, 4, 3, 10, 2, 1))
    open_days = np.where(rng.random(ROWS) < 0.36, 0, rng.integers(1, 366, ROWS))
    host = rng.zipf(2.2, ROWS) % 40 + rng.integers(0, ROWS, ROWS) // 4 * 40
    host = np.where(rng.random(ROWS) < 0.06, rng.integers(0, 25, ROWS), host)
    _, host, listings = np.unique(host, return_inverse=True, return_counts=True)

    centre = np.hypot((latitude - 40.755) * 1.3, longitude + 73.985)
    worth = (
        np.log(np.array(_ROOM_PRICES)[room] * np.array([place.dearness for place in PLACES])[where])
        + 0.45 * luxury
        - 1.2 * centre
        - 0.10 * (nights >= 14)
        + 0.10 * (open_days > 180)
        + 0.05 * np.log1p(listings[host])
    )
    price = np.round(np.exp(worth + rng.normal(0, NOISE, ROWS)) + 4).astype("int64")
    price[rng.random(ROWS) < 0.012] *= 12
    price[rng.random(ROWS) < 0.0008] = 0
    astray = rng.random(ROWS) < 0.0008
    latitude[astray], longitude[astray] = 40.30, -74.62

    reviews = np.where(rng.random(ROWS) < 0.2, 0, rng.geometric(0.035, ROWS))
    months = reviews / np.clip(rng.gamma(1.3, 1.2, ROWS), 0.02, 20) + 1
    last = np.datetime64("2019-07-08") - np.minimum(rng.exponential(260, ROWS), 2800).astype("timedelta64[D]")
    unreviewed = reviews == 0

    def of(choices: tuple[str, ...], number: np.ndarray) -> pa.Array:
        return pa.array(choices).take(pa.array(number))

    looks = pc.if_else(pa.array(luxury), of(_LUXURY, rng.integers(0, 3, ROWS)), of(_LOOKS, rng.integers(0, 10, ROWS)))
    kinds = of(sum(_KINDS, ()), room * 4 + rng.integers(0, 4, ROWS))
    hoods = of(tuple(place.name for place in PLACES), where)
    names = pc.binary_join_element_wise(
        pc.binary_join_element_wise(looks, kinds, "in", hoods, " "), of(_EXTRAS, rng.integers(0, 8, ROWS)), ""
    )
    return pa.table(
        {
            "id": np.sort(rng.choice(36_000_000, ROWS, replace=False)) + 2_000,
            "name": pc.if_else(pa.array(rng.random(ROWS) < 0.0005), None, names),
            "host_id": host * 7919 + 2_438,
            "host_name": of(_HOSTS, host * 31 % len(_HOSTS)),
            "neighbourhood_group": of(tuple(place.group for place in PLACES), where),
            "neighbourhood": hoods,
            "latitude": np.round(latitude, 5),
            "longitude": np.round(longitude, 5),
            "room_type": of(ROOMS, room),
            "price": price,
            "minimum_nights": nights,
            "number_of_reviews": reviews,
            "last_review": pa.array(np.datetime_as_string(last, unit="D").astype(object), pa.string(), mask=unreviewed),
            "reviews_per_month": pa.array(np.round(np.clip(reviews / months, 0.01, 30), 2), mask=unreviewed),
            "calculated_host_listings_count": listings[host],
            "availability_365": open_days,
        }
    ).combine_chunks()


def _shares(*weights: float) -> np.ndarray:
    return np.array(weights) / sum(weights)

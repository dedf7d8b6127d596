"""A made-up table of rental listings in New York. No row describes a real listing, host or price.

The places are real and roughly where they are; everything else is drawn from invented distributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.download.samples.data import columns, words

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 12_000
SEED = 19
NOISE = 0.30
"""Spread of the logarithm of the price around what the listing is like."""


ROOMS = ("Entire home/apt", "Private room", "Shared room")
_ROOM_SHARES, _ROOM_PRICES = (0.52, 0.455, 0.025), (155.0, 70.0, 42.0)


def make() -> pa.Table:
    """Makes the table: 12,000 rows, 16 columns, some prices and places out of bounds, the same each time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rng = np.random.default_rng(SEED)
    places, said = columns("nyc_places.csv"), words("rentals")
    where = rng.choice(len(places["share"]), ROWS, p=places["share"] / places["share"].sum())
    room = rng.choice(len(ROOMS), ROWS, p=_ROOM_SHARES)
    luxury = rng.random(ROWS) < np.where(room == 0, 0.10, 0.02)
    latitude, longitude = (places[axis][where] + rng.normal(0, 0.006, ROWS) for axis in ("latitude", "longitude"))
    nights = rng.choice([1, 2, 3, 4, 5, 7, 14, 30, 60, 180], ROWS, p=_shares(26, 24, 17, 7, 6, 4, 3, 10, 2, 1))
    open_days = np.where(rng.random(ROWS) < 0.36, 0, rng.integers(1, 366, ROWS))
    host = rng.zipf(2.2, ROWS) % 40 + rng.integers(0, ROWS, ROWS) // 4 * 40
    host = np.where(rng.random(ROWS) < 0.06, rng.integers(0, 25, ROWS), host)
    _, host, listings = np.unique(host, return_inverse=True, return_counts=True)

    centre = np.hypot((latitude - 40.755) * 1.3, longitude + 73.985)
    worth = (
        np.log(np.array(_ROOM_PRICES)[room] * places["dearness"][where])
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

    def of(choices: Sequence[str] | np.ndarray, number: np.ndarray) -> pa.Array:
        return pa.array(choices).take(pa.array(number))

    looks = pc.if_else(
        pa.array(luxury), of(said["luxury"], rng.integers(0, 3, ROWS)), of(said["looks"], rng.integers(0, 10, ROWS))
    )
    kinds = of(said["kinds"], room * 4 + rng.integers(0, 4, ROWS))
    hoods = of(places["name"], where)
    names = pc.binary_join_element_wise(
        pc.binary_join_element_wise(looks, kinds, "in", hoods, " "), of(said["extras"], rng.integers(0, 8, ROWS)), ""
    )
    return pa.table(
        {
            "id": np.sort(rng.choice(36_000_000, ROWS, replace=False)) + 2_000,
            "name": pc.if_else(pa.array(rng.random(ROWS) < 0.0005), None, names),
            "host_id": host * 7919 + 2_438,
            "host_name": of(said["hosts"], host * 31 % len(said["hosts"])),
            "neighbourhood_group": of(places["group"], where),
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

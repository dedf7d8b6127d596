"""What a run hangs on beside its arguments: the source's present bytes, the day, a declared reference.

Caches know a step by its arguments alone, so each of these is found first and becomes one.
"""

from __future__ import annotations

import time
from pathlib import Path

from components.common.config.check_data import CheckData
from components.common.sources import resolve


def valid_for(checks: CheckData, store: Path) -> str:
    """What the data checks hang on besides their section and the table, or else caches would serve them stale.

    Args:
        checks: The section `check_data`.
        store: The folder of fetched content; made if absent.

    Returns:
        The day, where a check asks for fresh data, and the checksum of a declared reference.

    Raises:
        Refusal: There is no such reference, or it cannot be reached.
    """
    day = time.strftime("%Y-%m-%d") if any(rule.fresh_days for rule in checks.columns.values()) else ""
    reference = checks.drift.reference
    return f"{day}{resolve(reference, store).checksum if reference else ''}"

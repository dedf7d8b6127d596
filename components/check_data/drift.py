"""The statistical checks: whether the table still looks like the one it is compared with."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.check_data.checks import Check, Outcome
from components.check_data.values import as_class
from components.common.base.errors import some
from components.common.config.check_data import CheckDataArgument
from components.common.config.patterns import rule_of
from components.common.reports.svg import finite

EXACT_ROWS = 1000
"""Up to so many rows in the larger sample the exact distribution of the Kolmogorov-Smirnov statistic is used."""
MEND = "compare it with the reference in the report: a fault of the source, or has the world changed?"
MISSING = "(missing)"
"""The category that missing values make."""


def check_drift(frame: pd.DataFrame, reference: pd.DataFrame | None, section: CheckDataArgument) -> list[Check]:
    """Compares numerical columns by Kolmogorov-Smirnov tests and categorical ones by their KL divergence.

    Args:
        frame: The clean table.
        reference: The table to compare with, or None where there is none yet.
        section: Which columns, and how strictly.

    Returns:
        One check per column; one skipped check in all where there is no reference.
    """
    drift = section.drift
    numerical = drift.numerical
    if numerical is None:
        numerical = [column for column, kind in section.kinds.items() if kind == "numerical"]
    if not numerical and not drift.categorical:
        return []
    if reference is None:
        parts = [f"{len(numerical)} Kolmogorov-Smirnov test{'s' * (len(numerical) != 1)}"] * bool(numerical)
        parts += [f"the KL divergence of {', '.join(drift.categorical)}"] * bool(drift.categorical)
        observed = "there is no reference yet; once accepted, this table is the next run's"
        return [Check("drift", "", " and ".join(parts), observed, drift.severity, "skipped")]
    return _kolmogorov_smirnov(frame, reference, numerical, section) + [
        _kullback_leibler(frame, reference, column, section) for column in drift.categorical
    ]


def check_columns(frame: pd.DataFrame, reference: pd.DataFrame, section: CheckDataArgument) -> Check:
    """Compares which columns fit the patterns that the config declares: those that are gone no other check can miss.

    Args:
        frame: The clean table.
        reference: The table to compare with.
        section: The kinds of columns as the config declares them.
    """
    there = set(frame.columns)
    kinds = dict(section.kinds)
    gone = [name for name in map(str, reference.columns) if name not in there and rule_of(kinds, name) is not None]
    return Check(
        "columns",
        "",
        "every column of the reference that a pattern of names declares is there",
        f"{len(gone):,} of them gone: {some(gone)}" if gone else "all there",
        section.drift.severity,
        "failed" if gone else "passed",
        mend="bring them back, or accept a model without them",
    )


def sidak(alpha: float, tests: int) -> float:
    """The level of each of several independent tests that together err with probability alpha: 1-(1-alpha)^(1/n).

    Source: Z. Šidák, Rectangular confidence regions for the means of multivariate normal distributions,
    Journal of the American Statistical Association 62 (1967), 626-633.
    """
    return 1 - (1 - alpha) ** (1 / tests)


def kl_divergence(present: np.ndarray, reference: np.ndarray, pseudocount: float = 0.5) -> float:
    """The Kullback-Leibler divergence KL(present || reference) of two distributions over the same categories.

    Each count is raised by the pseudocount (0.5: Krichevsky and Trofimov 1981), so that a category that one of the
    tables lacks gives a finite figure: sum p ln(p/q), p = (present + pseudocount) / their sum, q likewise.

    Args:
        present: (k,) counts per category.
        reference: (k,) counts of the same categories.
        pseudocount: What is added to each count.

    Returns:
        The divergence in nats, 0 for equal shares.
    """
    p, q = (np.asarray(counts, float) + pseudocount for counts in (present, reference))
    p, q = p / p.sum(), q / q.sum()
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / q[seen])))


def category_counts(series: pd.Series) -> pd.Series:
    """Rows per category, most frequent first and by name where equal; missing values are a category of their own."""
    counts = series.value_counts(dropna=False)
    names = [MISSING if pd.isna(value) else as_class(value) for value in counts.index]
    counts = pd.Series(counts.to_numpy(), index=names).groupby(level=0).sum()
    return counts.sort_values(ascending=False, kind="stable")


def _kolmogorov_smirnov(
    frame: pd.DataFrame, reference: pd.DataFrame, columns: list[str], section: CheckDataArgument
) -> list[Check]:
    drift, checks, samples = section.drift, [], {}
    for column in columns:
        present, past = (_sample(table, column) for table in (frame, reference))
        if present is not None and past is not None:
            samples[column] = present, past
        else:
            where = "the reference" if past is None else "the table"
            checks.append(
                Check(
                    "drift",
                    column,
                    "same distribution (Kolmogorov-Smirnov)",
                    f"not checked: {where} has no numbers here",
                    drift.severity,
                    "skipped",
                )
            )
    if not samples:
        return checks
    # Half a second to import, so only where there is something to test.
    from scipy.stats import ks_2samp

    level = sidak(drift.alpha, len(samples))
    rule = f"Kolmogorov-Smirnov p at least {level:.3g}, Šidák's level of {len(samples)} tests at {drift.alpha:g}"
    for column, (present, past) in samples.items():
        exact = max(len(present), len(past)) <= EXACT_ROWS
        test = ks_2samp(present, past, method="auto" if exact else "asymp")
        p = f"p = {test.pvalue:.3g}" if test.pvalue > 1e-300 else "p below 1e-300"
        observed = f"{p}, largest distance {test.statistic:.3f}"
        outcome: Outcome = "passed" if test.pvalue >= level else "failed"
        checks.append(Check("drift", column, rule, observed, drift.severity, outcome, mend=MEND))
    return checks


def _sample(table: pd.DataFrame, column: str) -> np.ndarray | None:
    """A column's finite numbers, or None where it has none."""
    if column not in table or isinstance(table[column], pd.DataFrame):
        return None
    series = table[column]
    values = finite(series if pd.api.types.is_numeric_dtype(series) else pd.to_numeric(series, errors="coerce"))
    return values if len(values) else None


def _kullback_leibler(frame: pd.DataFrame, reference: pd.DataFrame, column: str, section: CheckDataArgument) -> Check:
    drift = section.drift
    rule = f"KL(present || reference) at most {drift.kl_threshold:g} nats"
    for table, name in ((frame, "the table"), (reference, "the reference")):
        if column not in table or isinstance(table[column], pd.DataFrame) or not len(table):
            return Check("drift", column, rule, f"not checked: {name} lacks it", drift.severity, "skipped")
    present, past = category_counts(frame[column]), category_counts(reference[column])
    names = present.index.union(past.index)
    divergence = kl_divergence(present.reindex(names, fill_value=0), past.reindex(names, fill_value=0))
    change = present.reindex(names, fill_value=0) / len(frame) - past.reindex(names, fill_value=0) / len(reference)
    largest = change.abs().idxmax()
    observed = f"{divergence:.4f} nats; the most changed is {largest}, {change[largest] * 100:+.2f} points"
    outcome: Outcome = "passed" if divergence <= drift.kl_threshold else "failed"
    return Check("drift", column, rule, observed, drift.severity, outcome, mend=MEND)

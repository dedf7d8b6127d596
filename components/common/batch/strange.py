"""Tables whose columns are not those that the model learnt from, though their names are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.common.batch.counts import Tally, percentage

if TYPE_CHECKING:
    from components.common.inference import Predictor


def refuse_strange(tally: Tally, predictor: Predictor, limit: tuple[str, float] | None, where: str) -> None:
    """Refuses a table with a column that holds nothing where training always had a value, or strange categories.

    Of a single row, one value says nothing about its column: such a row is answered unless a limit is given.

    Args:
        tally: The counts of the whole table.
        predictor: The model that was asked.
        limit: Most unknown values of a column, `rows` or `share` and the number; without it, not all of them.
        where: What to call the table.

    Raises:
        Refusal: The first such column.
    """
    for name in predictor.complete:
        if tally.looked > 1 and not tally.given[name]:
            raise Refusal(
                "the column has no value in any row, and training never missed one",
                where=f"{where}, column {name}",
                value=f"{tally.looked:,} rows",
                rule="a table has a value wherever all rows of the training table had one, in at least one row",
                mend="fill the column; was the table written with another header or another spelling of numbers?",
            )
    for name, count in tally.unknown.items():
        given = tally.given[name]
        if limit is None:
            beyond, rule = count == given and tally.looked > 1, "at least one value that training knew"
        else:
            kind, most = limit
            beyond = count > (most * given if kind == "share" else most)
            rule = f"at most {most:.6g} values" if kind == "rows" else f"at most {100 * most:.6g} % of the values"
        if beyond:
            known = ", ".join(repr(value) for value in predictor.choices.get(name, [])[:5])
            raise Refusal(
                f"{count:,} of {given:,} values ({percentage(count, given)}) are none that training knew",
                where=f"{where}, column {name}",
                value=tally.strange.get(name),
                rule=f"{rule}; training knew {known}, …" if known else rule,
                mend="is it the column that the model was trained with? --max-unknown 100% answers such rows all the "
                "same",
            )

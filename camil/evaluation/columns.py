"""Check of a table's columns, for evaluation and figures."""

from collections.abc import Iterable

import pandas as pd


def require_columns(table: pd.DataFrame, columns: Iterable[str], user: str) -> None:
    """Check the columns of an input table.

    Args:
        table: the input table, with at least one row.
        columns: names of the required columns.
        user: name of the function or figure that needs them, the subject of the error message.

    Raises:
        ValueError: if a column is missing or the table is empty; the message names the columns.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{user} needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"the table has {', '.join(map(str, table.columns)) or 'none'}."
        )
    if table.empty:
        raise ValueError(f"{user} needs at least one row; the table is empty.")

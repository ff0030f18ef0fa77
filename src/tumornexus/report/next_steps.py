"""What to measure next, as a report shows it: one line an input that was not measured."""

from __future__ import annotations

from typing import Any

from tumornexus.report.rows import MeasureRow
from tumornexus.report.values import finite, get, text_of


def measure_rows(result: Any) -> tuple[MeasureRow, ...]:
    """Read ``measure_next`` of a result, in its order; empty where there is none."""
    frame = get(result, "measure_next")
    if frame is None:
        return ()
    return tuple(
        MeasureRow(
            name=text_of(row.get("input")),
            bits=finite(row.get("information_bits")) or 0.0,
            value=finite(row.get("decision_value")),
            low=finite(row.get("low")),
            high=finite(row.get("high")),
            resolved=bool(get(row, "resolved", False)),
            hypotheses=text_of(row.get("basis")).endswith("hypotheses"),
            needs=text_of(row.get("needs")),
            reason=text_of(row.get("reason")),
        )
        for row in frame.to_dict("records")
    )


def value_words(row: MeasureRow) -> str:
    """Say the value for the choice in points with its interval; what is not above the noise is said so."""
    if row.value is None:
        return "no twin was simulated"
    if not row.resolved:
        limit = "" if not row.high else f", at most {row.high:.1f}"
        return f"not above the noise of the draws{limit}"
    said = f"{row.value:.1f} points ({row.low or 0.0:.1f}–{row.high or 0.0:.1f})"
    return said + (", between mechanistic hypotheses" if row.hypotheses else "")

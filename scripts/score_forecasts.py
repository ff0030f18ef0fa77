"""Score the frozen forecasts against results.

    python scripts/score_forecasts.py RESULTS.tsv [--forecasts forecasts/forecasts.json]

RESULTS.tsv: tab-separated, columns `trial` (id), `arm`, `endpoint` and `value`; further columns are ignored.
Endpoints: those of an arm in forecasts.json (orr, cr, pd, pfs_median, pfs_6, pfs_12, os_median, os_12, os_24, ae3;
percent and months) and pfs_hr, os_hr against the trial's last arm. `NR` is a median that was not reached within 24
months.

Prints, per row and per endpoint, the error (hazard ratios: of the natural logarithm), whether the 95 % interval holds
the result, and the interval score (Gneiting and Raftery 2007): width plus 40 times the miss, smaller is better. An
interval without an upper end (median not reached) counts for coverage and not for the score. Apart from the total,
trials whose outcome had not been seen when the forecast was frozen are summed up alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, NexusError, near_misses

FORECASTS = Path(__file__).resolve().parents[1] / "forecasts" / "forecasts.json"
COLUMNS = ("trial", "arm", "endpoint", "value")
NOT_REACHED = ("NR", "not reached")


def read_results(path: Path) -> pd.DataFrame:
    """Read the table of results; `value` is a number, infinite where a median was not reached.

    Raises:
        InputError: a column that is missing, or a value that is neither a number nor NR.
    """
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    for column in COLUMNS:
        if column not in table:
            raise InputError("a column is missing", file=path, field=column, valid=", ".join(COLUMNS))
    values = []
    for row, text in enumerate(table["value"], 2):
        try:
            value = np.inf if text in NOT_REACHED else float(text)
        except ValueError:
            value = np.nan
        if np.isnan(value):
            raise InputError("not a result", file=path, field=f"value, line {row}", value=text, valid="a number or NR")
        values.append(value)
    return table.assign(value=values)


def predicted(forecasts: Mapping[str, Any], trial: str, arm: str, endpoint: str) -> dict[str, float | None]:
    """Return estimate and interval of one endpoint.

    Raises:
        InputError: no forecast of it; near misses are listed.
    """
    steps = [("trial", trial, forecasts)]
    if trial in forecasts:
        ratio = endpoint.endswith("_hr")
        own = forecasts[trial]["hazard_ratios" if ratio else "arms"]
        steps.append(("arm", arm, own))
        if arm in own:
            name = endpoint.removesuffix("_hr") if ratio else endpoint
            steps.append(("endpoint", name, {k: v for k, v in own[arm].items() if isinstance(v, dict)}))
    for field, value, there in steps:
        if value not in there:
            raise InputError(f"no forecast of this {field}", field=field, value=value,
                             valid=near_misses(value, list(there)))  # fmt: skip
    return steps[-1][2][steps[-1][1]]


def score(forecasts: Mapping[str, Any], results: pd.DataFrame) -> pd.DataFrame:
    """Return one row a result: trial, arm, endpoint, outcome (on the date), value, estimate, low, high, error, covered,
    interval_score."""
    rows = []
    for trial, arm, endpoint, value in results[list(COLUMNS)].itertuples(index=False, name=None):
        told = predicted(forecasts, trial, arm, endpoint)
        middle, low, high = (told[k] for k in ("estimate", "low", "high"))
        if low is None and high is None and middle is None and not endpoint.endswith("_median"):
            continue
        middle, low, high = (np.inf if x is None else x for x in (middle, low, high))
        if endpoint.endswith("_hr"):
            seen, center, ends = np.log(value), np.log(middle), (np.log(low), np.log(high))
        else:
            seen, center, ends = value, middle, (low, high)
        finite = np.isfinite([seen, *ends]).all()
        miss = max(ends[0] - seen, 0.0) + max(seen - ends[1], 0.0) if finite else np.nan
        rows.append({
            "trial": trial, "arm": arm, "endpoint": endpoint, "outcome": forecasts[trial]["outcome_on_the_date"],
            "value": value, "estimate": middle, "low": low, "high": high,
            "error": center - seen if np.isfinite([center, seen]).all() else np.nan,
            "covered": bool(low <= value <= high),
            "interval_score": ends[1] - ends[0] + 40.0 * miss if finite else np.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)


def summary(scored: pd.DataFrame) -> pd.DataFrame:
    """Return, per group and endpoint: results, mean and median absolute error, percent covered, mean interval score."""
    groups = [("all", scored), *((f"outcome {o}", part) for o, part in scored.groupby("outcome"))]
    rows = []
    for name, part in groups:
        for endpoint, own in part.groupby("endpoint", sort=False):
            error = own["error"].abs().dropna()
            middle = error.median() if len(error) else np.nan
            rows.append((name, endpoint, len(own), own["trial"].nunique(), error.mean(), middle,
                         100.0 * own["covered"].mean(), own["interval_score"].mean()))  # fmt: skip
    columns = ["of", "endpoint", "results", "trials", "mean_error", "median_error", "covered_percent", "interval_score"]
    return pd.DataFrame(rows, columns=columns)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, metavar="RESULTS.tsv")
    parser.add_argument("--forecasts", type=Path, default=FORECASTS)
    options = parser.parse_args()
    try:
        if not options.forecasts.is_file():
            raise InputError("no forecasts", file=options.forecasts, valid="a file of scripts/build_forecasts.py")
        forecasts = json.loads(options.forecasts.read_text("utf-8"))["forecasts"]
        scored = score(forecasts, read_results(options.results))
    except (NexusError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    with pd.option_context("display.width", 200, "display.max_rows", None, "display.max_columns", None):
        print(scored.round(3).to_string(index=False))
        print()
        print(summary(scored).round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())

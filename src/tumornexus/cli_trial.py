"""Commands around virtual trials. Imports happen inside commands, as in `cli`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def trial_command(
    trial: Annotated[str, typer.Argument(metavar="TRIAL.toml|TRIAL_ID", help="A design, or a published trial.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; made if it does not exist.")],
    n: Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="Virtual patients in each arm.")] = 500,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of all random streams.")] = 0,
    dask: Annotated[
        str | None, typer.Option("--dask", help="Where to compute: tcp://host:port of a scheduler, local or local:N.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="File of `tumornexus calibrate`; else the one that ships.")
    ] = None,
    uncalibrated: Annotated[
        bool, typer.Option("--uncalibrated", help="Take the parameters as the records have them.")
    ] = False,
    records: Annotated[
        Path | None, typer.Option("--knowledge", help="Folder of your own records, added to those of the program.")
    ] = None,
) -> None:
    """Simulate a trial: responses, survival, toxicity with prediction intervals, figures and a report.

    The same patients enter every arm. A run that was broken off goes on with the same command.
    """
    from tumornexus.cli import progress_bar
    from tumornexus.errors import InputError
    from tumornexus.knowledge import load_knowledge
    from tumornexus.machine import keep_compiled

    if calibration is not None and uncalibrated:
        raise InputError("two calibrations", field="--uncalibrated", value=True, valid="one of the two options")
    keep_compiled()
    from tumornexus.trial.calibration import load_calibration, none, shipped
    from tumornexus.trial_pipeline import endpoint_table, run_trial

    knowledge = load_knowledge(extra=records)
    if uncalibrated:
        used = none()
    else:
        used = shipped(knowledge) if calibration is None else load_calibration(calibration, knowledge)
    result = run_trial(
        trial, n=n, seed=seed, out=out, calibration=used, dask=dask, call=sys.argv, records=records,
        progress=progress_bar,
    )  # fmt: skip
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    table = endpoint_table(result.endpoints)
    for arm in dict.fromkeys(table["arm"]):
        own = table[table["arm"] == arm].set_index("endpoint")
        typer.echo(arm)
        for name, label, unit in (
            ("orr", "response", "%"), ("pfs_median", "median PFS", "months"), ("os_12", "alive at 12 months", "%"),
            ("ae3", "grade >= 3 events", "%"), ("pfs_hr", "PFS hazard ratio", ""),
        ):  # fmt: skip
            if name in own.index:
                typer.echo(f"  {label:20s} {_told(own.loc[name], unit)}")
    typer.echo(f"report: {out / 'report.html'}")


def _told(row: object, unit: str) -> str:
    import pandas as pd

    estimate, low, high = (row[k] for k in ("estimate", "low", "high"))  # type: ignore[index]
    first = "not reached" if pd.isna(estimate) else f"{estimate:.3g} {unit}".rstrip()
    low, high = ("not reached" if pd.isna(x) else f"{x:.3g}" for x in (low, high))
    return f"{first} ({low} to {high})"


def calibrate_command(
    out: Annotated[Path, typer.Option("--out", help="File of the artefact; the simulated pools lie beside it.")],
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**53, help="Seed of all random streams.")] = 1,
    partitions: Annotated[int, typer.Option("--partitions", min=2, help="Hundreds of patients a cohort.")] = 8,
    steps: Annotated[int, typer.Option("--steps", min=100, help="Steps of the sampler, half of them burn-in.")] = 4000,
    dask: Annotated[
        str | None, typer.Option("--dask", help="Where to compute: tcp://host:port of a scheduler, local or local:N.")
    ] = None,
) -> None:
    """Fit population parameters to every published arm marked fit: shifts with their joint uncertainty.

    Takes about a quarter of an hour on two quiet cores and goes on where it was stopped. Held-out trials are never
    looked at.
    """
    from tumornexus.cli import progress_bar
    from tumornexus.machine import keep_compiled

    keep_compiled()
    from tumornexus.calibration_pipeline import calibrate

    found, _ = calibrate(
        out, seed=seed, partitions=partitions, steps=steps, dask=dask, call=sys.argv, progress=progress_bar
    )
    for kind, gap in found.provenance["fit"].items():
        mean, median = gap["mean_gap"], gap["median_gap"]
        typer.echo(f"{kind.upper():4s} {gap['n']:4d} figures: mean gap {mean:.1f} points, median {median:.1f}")
    typer.echo(f"calibration: {out}")

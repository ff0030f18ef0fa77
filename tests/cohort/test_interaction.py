"""Interaction: found where planted, absent where not, and not fooled by a marker that is only prognostic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tumornexus.cohort.interaction import associate_interaction, response_interaction, survival_interaction
from tumornexus.errors import InputError


def trial(seed: int, n: int, prognostic: float, predictive: float, effect: float = -0.3) -> pd.DataFrame:
    """Two trials with baseline hazards of their own; log hazard = effect T + prognostic z + predictive T z."""
    rng = np.random.default_rng(seed)
    arm, z = rng.integers(0, 2, n).astype(float), rng.normal(size=n)
    cohort = np.where(np.arange(n) < n // 3, "a", "b")
    linear = effect * arm + prognostic * z + predictive * arm * z
    days = rng.exponential(np.where(cohort == "a", 100.0, 400.0) * np.exp(-linear))
    response = (rng.random(n) < 1 / (1 + np.exp(1.0 - linear))).astype(float)
    return pd.DataFrame({
        "cohort": cohort, "treated": arm, "z": z, "OS_days": np.minimum(days, 700.0), "response": response,
        "OS_event": (days < 700.0).astype(float), "noise": rng.normal(size=n),
    })  # fmt: skip


def fit(t: pd.DataFrame, marker: str = "z", covariates: pd.DataFrame | None = None):
    columns = (t[c].to_numpy() for c in (marker, "treated", "OS_days", "OS_event"))
    return survival_interaction(*columns, t["cohort"].to_numpy(), covariates)


def within(effect, truth: float) -> bool:
    return abs(effect.log - truth) < 3.5 * effect.se


def test_planted_coefficients_are_recovered():
    pytest.importorskip("lifelines")
    found = fit(trial(1, 3000, 0.4, -0.5))
    assert within(found.interaction, -0.5)
    assert within(found.under_control, 0.4)
    assert within(found.under_treatment, -0.1)
    assert found.interaction.p < 1e-6
    # At one standard deviation to each side the treatment's log hazard ratio is -0.3 -+ 0.5.
    assert within(found.treatment_high, -0.8)
    assert within(found.treatment_low, 0.2)
    assert found.interaction.se < 0.06


def test_a_prognostic_marker_is_not_called_predictive():
    pytest.importorskip("lifelines")
    p = [fit(trial(s, 300, 0.7, 0.0)).interaction.p for s in range(25)]
    assert np.mean(np.array(p) < 0.05) < 0.2, "one test in twenty without an interaction is positive"
    found = fit(trial(3, 1500, 0.7, 0.0))
    assert found.under_control.p < 1e-6
    assert found.under_treatment.p < 1e-6


def test_what_one_arm_shows_is_not_what_the_treatment_does():
    """Swapping the names of the arms turns the interaction around and exchanges the within-arm ratios."""
    pytest.importorskip("lifelines")
    table = trial(4, 800, 0.5, 0.4)
    one, two = fit(table), fit(table.assign(treated=1.0 - table["treated"]))
    assert one.interaction.log == pytest.approx(-two.interaction.log, abs=1e-4)
    assert one.under_control.log == pytest.approx(two.under_treatment.log, abs=1e-4)
    assert one.treatment_high.log == pytest.approx(-two.treatment_high.log, abs=1e-4)
    shifted = fit(table.assign(z=10.0 + 2.0 * table["z"]))
    assert shifted.interaction.log == pytest.approx(one.interaction.log / 2.0, abs=1e-4)
    assert shifted.treatment_low.log == pytest.approx(one.treatment_low.log, abs=1e-4)


def test_a_yes_no_marker_gives_the_ratios_of_its_groups():
    """With one trial and a binary marker the model holds four groups: effects are those of each group by itself."""
    pytest.importorskip("lifelines")
    table = trial(5, 2000, 0.6, -0.6).assign(cohort="a", z=lambda t: (t["z"] > 0).astype(float))
    found = fit(table)
    assert found.treatment_high.log - found.treatment_low.log == pytest.approx(found.interaction.log, abs=1e-8)
    assert found.treatment_low.log == pytest.approx(found.treatment_low.log)
    rare = table.assign(z=lambda t: (np.arange(len(t)) < 6).astype(float))
    assert "fewer than 5 events" in fit(rare).note
    assert "does not vary" in fit(table.assign(z=1.0)).note
    assert "one arm" in fit(table.assign(treated=1.0)).note


def test_response_interaction_is_recovered_and_a_separated_one_is_finite():
    table = trial(6, 6000, 0.4, 0.5)
    columns = [table[c].to_numpy() for c in ("z", "treated", "response")]
    found = response_interaction(*columns, table["cohort"].to_numpy())
    assert within(found.interaction, 0.5)
    assert within(found.under_control, 0.4)
    moved = response_interaction(3.0 + 10.0 * columns[0], *columns[1:], table["cohort"].to_numpy())
    assert moved.interaction.log == pytest.approx(found.interaction.log / 10.0)
    assert moved.interaction.se == pytest.approx(found.interaction.se / 10.0)
    assert moved.treatment_high.log == pytest.approx(found.treatment_high.log)
    small = table.head(60).assign(response=lambda t: (t["treated"] * t["z"] > 0.2).astype(float))
    small.loc[small.index[small["treated"] == 0][:6], "response"] = 1.0
    columns = [small[c].to_numpy() for c in ("z", "treated", "response")]
    separated = response_interaction(*columns, small["cohort"].to_numpy())
    assert np.isfinite([separated.interaction.high, separated.interaction.low]).all()
    assert separated.interaction.log > 0


def test_table_keeps_a_row_a_marker_and_corrects_over_them():
    pytest.importorskip("lifelines")
    table = trial(7, 900, 0.2, -0.6).assign(flat=1.0)
    found = associate_interaction(table, ["z", "noise", "flat"], "OS").set_index("marker")
    assert found.loc["z", "q"] < 0.05
    assert found.loc["noise", "q"] >= found.loc["noise", "p"]
    assert found.loc["flat", "note"] == "the marker does not vary"
    assert np.isnan(found.loc["flat", "q"])
    by_response = associate_interaction(table, ["z"], "response").iloc[0]
    assert by_response["events"] == int(table["response"].sum())
    adjusted = associate_interaction(table, ["z"], "OS", covariates=["noise"]).iloc[0]
    assert adjusted["interaction"] == pytest.approx(found.loc["z", "interaction"], rel=0.05)
    with pytest.raises(InputError, match="nois"):
        associate_interaction(table, ["nois"], "OS")
    with pytest.raises(InputError, match="neither treatment nor control"):
        associate_interaction(table.assign(treated=2.0), ["z"], "OS")

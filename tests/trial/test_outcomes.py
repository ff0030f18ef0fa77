"""One arm from volumes to tables: what must hold between endpoints, across arms, and in any order."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tumornexus.errors import InputError
from tumornexus.trial.irecist import IBEST
from tumornexus.trial.outcomes import ArmOutcomes, arm_outcomes
from tumornexus.trial.recist import BEST, REASONS, recist
from tumornexus.trial.scans import PERFECT_READER, ScanPlan
from tumornexus.trial.survival import DeathHazard, FollowUp

WEEKS = np.arange(0.0, 729.0, 7.0)
ENDLESS, DEATHLESS = FollowUp(dropout_per_year=0.0), DeathHazard(rate_per_year=0.0)
COLUMNS = (
    "patient", "best", "best_unconfirmed", "irecist_best", "change_percent", "pfs_days", "pfs_event", "ipfs_days",
    "ipfs_event", "os_days", "os_event", "response_day", "dor_days", "dor_event", "reason", "resistance", "ae3_day",
    "left_day", "base_mm", "pseudo",
)  # fmt: skip


def arm(n: int = 300, growth: float = 0.003, seed: int = 0) -> xr.Dataset:
    """Return an arm of tumors of which a part shrinks and the rest grows at about `growth` a day."""
    g = np.random.default_rng(seed)
    base = np.exp(g.normal(2.7, 1.0, (n, 4))) * np.where(g.random((n, 4)) < [1.0, 0.7, 0.5, 0.02], 1.0, 0.01)
    rate = g.normal(growth, 0.004, (n, 1, 1)) + g.normal(0.0, 0.001, (n, 4, 1))
    part = g.beta(0.7, 0.5, (n, 1, 1))
    volume = base[..., None] * (part * np.exp(-0.02 * WEEKS) + (1.0 - part) * np.exp(rate * WEEKS))
    event = np.where(g.random(n) < 0.2, g.integers(1, 400, n), np.inf)
    return xr.Dataset(
        {"lesion_volume": (("member", "lesion", "time"), np.minimum(volume, 3000.0).astype(np.float32)),
         "toxicity_event_day": (("member",), event)},
        coords={"time": WEEKS},
    )  # fmt: skip


def people(n: int = 300, seed: int = 1) -> pd.DataFrame:
    g = np.random.default_rng(seed)
    return pd.DataFrame({
        "patient": np.arange(n), "age": g.normal(63.0, 9.0, n), "sex": np.where(g.random(n) < 0.6, "male", "female"),
        "ecog": g.integers(0, 2, n), "ldh_ratio": np.exp(g.normal(-0.2, 0.4, n)),
    })  # fmt: skip


def outcomes(data: xr.Dataset, who: pd.DataFrame | None = None, plan: ScanPlan | None = None,
             follow: FollowUp | None = None, law: DeathHazard | None = None, seed: int = 1) -> ArmOutcomes:  # fmt: skip
    n = data.sizes["member"]
    return arm_outcomes(data, people(n) if who is None else who, plan or ScanPlan(), follow or FollowUp(),
                        law or DeathHazard(), seed=seed)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> ArmOutcomes:
    return outcomes(arm())


def test_columns_and_words(made):
    p = made.patients
    assert tuple(p.columns) == COLUMNS
    assert set(p["best"]) <= set(BEST)
    assert set(p["irecist_best"]) <= set(IBEST)
    assert set(p["reason"]) <= set(REASONS)
    assert {"CR", "PR", "SD", "PD", "NE"} == set(p["best"])
    assert set(made.scans["response"]) <= {"CR", "PR", "SD", "PD"}


def test_order_of_endpoints(made):
    p = made.patients
    assert (p["pfs_days"] <= p["os_days"]).all()
    assert (p["ipfs_days"] >= p["pfs_days"]).all()
    assert (p["ipfs_days"] <= p["os_days"]).all()
    assert not (p["ipfs_event"] & ~p["pfs_event"]).any()
    assert (p["pfs_event"] | ~p["os_event"]).all()  # death ends progression-free survival
    assert (p["os_days"] <= WEEKS[-1]).all()
    died = p["reason"] == "death"
    assert (p.loc[died, "pfs_days"] == p.loc[died, "os_days"]).all()
    assert ((p["reason"] != "none") == p["pfs_event"]).all()
    assert ((p["resistance"] != "none") == (p["pfs_event"] & ~died)).all()


def test_responders(made):
    p = made.patients
    responder = p["best"].isin(["CR", "PR"])
    assert (responder == p["response_day"].notna()).all()
    assert (responder <= p["best_unconfirmed"].isin(["CR", "PR"])).all()
    assert np.allclose(p["response_day"] + p["dor_days"], p["pfs_days"].where(responder), equal_nan=True)
    assert (p.loc[responder, "dor_event"] == p.loc[responder, "pfs_event"]).all()
    assert not p.loc[~responder, "dor_event"].any()
    assert (p.loc[responder, "dor_days"] >= 28.0).all()  # a confirmed one lasts from its first to its second scan


def test_who_left_or_died_is_not_scanned(made):
    p, s = made.patients.set_index("patient"), made.scans
    assert (s["day"].to_numpy() <= p.loc[s["patient"], "os_days"].to_numpy()).all()
    left = p[np.isfinite(p["left_day"])]
    assert len(left)
    assert (left["os_days"] == left["left_day"]).all()
    assert not left["os_event"].any()
    unseen = p[p["os_days"] < 49.0]
    assert len(unseen)
    assert (unseen["best"] == "NE").all()
    assert (unseen["irecist_best"] == "NE").all()
    assert unseen["change_percent"].isna().all()
    assert (p.loc[np.isfinite(p["ae3_day"]), "ae3_day"] <= p.loc[np.isfinite(p["ae3_day"]), "os_days"]).all()


def test_without_error_death_and_dropout_it_is_the_noise_free_reading():
    data = arm(seed=3)
    plan = ScanPlan(confirm=False, window_days=0.0, reader=PERFECT_READER)
    young = people().assign(age=1.0, sex="female")  # next to no background mortality
    p = outcomes(data, young, plan, ENDLESS, DEATHLESS).patients
    plain = recist(data["lesion_volume"].values, WEEKS)
    alive = ~p["os_event"].to_numpy()
    assert alive.mean() > 0.99
    assert (p["best"].to_numpy() == np.array(BEST)[plain.best])[alive].all()
    assert (p["pfs_event"].to_numpy() == plain.progressed)[alive].all()
    assert np.allclose(p["pfs_days"].to_numpy()[alive], (plain.pfs_months * 30.4375)[alive])
    assert (p["reason"].to_numpy() == np.array(REASONS)[plain.reason])[alive].all()
    assert np.allclose(p["change_percent"].to_numpy()[alive], plain.change_percent[alive])


def test_results_do_not_depend_on_the_batch(made):
    data, who = arm(), people()
    order = np.random.default_rng(0).permutation(300)[:120]
    part = outcomes(data.isel(member=order), who.iloc[order])
    whole = made.patients.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.patients, whole)
    mine = made.scans[made.scans["patient"].isin(order)].sort_values(["patient", "day"], ignore_index=True)
    pd.testing.assert_frame_equal(part.scans.sort_values(["patient", "day"], ignore_index=True), mine)


def test_arms_share_their_luck():
    """The same tumors under two names have the same outcomes; another seed has others."""
    first, second, other = (outcomes(arm(), seed=s).patients for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert (first["base_mm"] != other["base_mm"]).mean() > 0.99
    slow, fast = outcomes(arm(growth=0.001)).patients, outcomes(arm(growth=0.008)).patients
    # baseline is read alike, and who leaves does so on the same day unless death or an arm's course comes first
    assert (slow["base_mm"] == fast["base_mm"]).all()
    both = np.isfinite(slow["left_day"]) & np.isfinite(fast["left_day"])
    assert both.any()
    assert (slow.loc[both, "left_day"] == fast.loc[both, "left_day"]).all()
    assert (fast["os_days"] <= slow["os_days"] + 1e-9).mean() > 0.97
    assert fast["os_event"].mean() > slow["os_event"].mean()


def test_a_failed_simulation_is_a_progression_with_its_reason():
    data = arm(20)
    data["lesion_volume"][3] = np.nan
    p = outcomes(data, plan=ScanPlan(window_days=0.0), follow=ENDLESS).patients
    bad = p.iloc[3]
    assert (bad["reason"], bad["best"], bad["pfs_days"], bad["os_event"]) == ("numerical failure", "PD", 56.0, False)
    assert bad["os_days"] == bad["ipfs_days"] == 56.0
    assert p.drop(index=3)[["os_days", "pfs_days", "base_mm"]].notna().all().all()


def test_a_simulation_that_fails_late_says_nothing_about_death():
    data = arm(200)
    data["lesion_volume"] = data["lesion_volume"] * 50.0  # deadly within weeks
    assert outcomes(data, follow=ENDLESS).patients["os_event"].mean() > 0.8
    data["lesion_volume"][:, 0, -20:] = np.nan
    p = outcomes(data, follow=ENDLESS).patients
    assert not p["os_event"].any()
    assert (p["reason"] == "numerical failure").all()


def test_patients_are_followed_to_the_data_cut():
    p = outcomes(arm(), follow=FollowUp(6.0, 6.0, 0.0)).patients
    assert p["os_days"].max() <= 12.0 * 30.4375
    assert not np.isfinite(p["left_day"]).any()
    censored = p[~p["os_event"]]
    assert censored["os_days"].min() >= 6.0 * 30.4375 - 1e-6


def test_more_scans_never_see_a_progression_later():
    data = arm(seed=5)
    often = outcomes(data, plan=ScanPlan(6, 6, reader=PERFECT_READER), follow=ENDLESS).progression_day
    seldom = outcomes(data, plan=ScanPlan(12, 12, reader=PERFECT_READER), follow=ENDLESS).progression_day
    assert (often <= seldom).all()
    assert (often < seldom).any()


@pytest.mark.parametrize(("change", "words"), [
    (lambda who: who.drop(columns="age"), r"age.*missing"),
    (lambda who: who.iloc[:-1], "number of rows"),
    (lambda who: who.assign(sex="?"), "unknown sex"),
    (lambda who: who.assign(age=np.nan), "age is not known"),
])  # fmt: skip
def test_covariates_that_do_not_fit_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        outcomes(arm(10), change(people(10)))


def test_three_arms_of_a_thousand_patients_take_well_under_three_seconds():
    data, who = arm(1000), people(1000)
    outcomes(data, who)
    start = time.process_time()
    for _ in range(3):
        outcomes(data, who)
    assert time.process_time() - start < 1.5

"""What the report says, before it is drawn or worded."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.fake import fake_knowledge, fake_result
from tumornexus.report import words
from tumornexus.report.simulated import weighted_quantiles
from tumornexus.report.view import build_view, negative_trials


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95]))
def test_quantiles_with_equal_weights_are_order_statistics(values, q):
    got = weighted_quantiles(np.array(values)[:, None], np.ones(len(values)), (q,))[0, 0]
    assert got == np.quantile(values, q, method="inverted_cdf")


def test_quantiles_ignore_draws_without_weight_or_value():
    values = np.array([[1.0], [np.nan], [3.0], [99.0]])
    got = weighted_quantiles(values, np.array([1.0, 5.0, 1.0, 0.0]), (0.0, 0.5, 1.0))
    assert got[:, 0].tolist() == [1.0, 1.0, 3.0]
    assert np.isnan(weighted_quantiles(np.full((3, 1), np.nan), np.ones(3), (0.5,))).all()


def test_quantiles_keep_their_order(view):
    for course in view.courses:
        assert (course.low90 <= course.low50).all()
        assert (course.low50 <= course.median).all()
        assert (course.median <= course.high50).all()
        assert (course.high50 <= course.high90).all()


def test_diameters_are_those_of_the_lesions_not_of_one_sphere(knowledge):
    """Two equal lesions, one gone: half the sum of diameters, where one sphere would have lost a fifth."""
    result = fake_result()
    volume = result.trajectories["tumor_volume_ml"]
    lesions = np.zeros((*volume.shape[:2], 4, volume.shape[2]))
    lesions[:, :, :2] = 5.0
    lesions[:, :, 1, -1] = 0.0
    result.trajectories["lesion_volume"] = (("regimen", "draw", "lesion", "time"), lesions)
    for course in build_view(result, knowledge).diameters:
        assert course.median[:-1] == pytest.approx(0.0, abs=1e-9)
        assert course.median[-1] == pytest.approx(-50.0)


def test_without_lesions_the_total_is_one(knowledge):
    view = build_view(fake_result(), knowledge)
    for volume, diameter in zip(view.courses, view.diameters, strict=True):
        assert diameter.median == pytest.approx(100.0 * (np.cbrt(volume.median) - 1.0))


def test_a_hypothesis_never_carries_a_probability(knowledge):
    result = fake_result()
    result.ranking["response"] = result.ranking["response"].fillna(0.5)
    result.ranking["pfs_months"] = result.ranking["pfs_months"].fillna(8.0)
    rows = [r for r in build_view(result, knowledge).regimens if r.hypothesis]
    assert rows
    assert all(r.response is None and r.low is None and r.high is None and r.pfs_months is None for r in rows)
    assert {r.direction for r in rows} <= {"smaller", "larger", "unclear"}


def test_percent_and_probability_columns_read_the_same(knowledge):
    plain, percent = fake_result(), fake_result()
    for column in ("response", "response_low", "response_high", "ae3"):
        percent.ranking[column] = percent.ranking[column] * 100.0
    a, b = build_view(plain, knowledge).regimens, build_view(percent, knowledge).regimens
    for x, y in zip(a, b, strict=True):
        assert x.response == pytest.approx(y.response)
        assert x.ae3 == pytest.approx(y.ae3)


def test_standard_of_care_is_found_from_column_record_or_words():
    knowledge, result = fake_knowledge(), fake_result()
    assert build_view(result, knowledge).standard.short == "nivolumab"
    result.ranking["standard"] = [i == 1 for i in range(len(result.ranking))]
    assert build_view(result, knowledge).standard.short == "nivolumab + relatlimab"


def test_not_measured_is_never_active(view):
    assert not [m for m in view.active if not m.measured]
    assert {m.id for m in view.mechanisms if not m.measured} >= {"gut_dysbiosis", "hla_homozygosity"}


def trial(name: str, tumor: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, tumor=tumor, negative=True, randomized=True)


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        ("Refuted by a randomized trial: no benefit", (True, False)),
        ("The randomised phase 3 trial was negative.", (True, False)),
        ("No randomized trial in melanoma.", (False, False)),
        ("ECHO-301 (melanoma) was negative; toxicity", (True, False)),
        ("IMblaze370 (CRC) was negative", (False, True)),
        ("IDO inhibitor: ECHO-301 failed", (False, True)),
        ("ECHO-301 (melanoma, unresectable) failed; toxicity", (True, False)),
        ("grade 3 or higher events in about 20 %, cost tier 2 of 4", (False, False)),
    ],
)
def test_negative_trials_by_words_and_catalogue(against, expected):
    known = {"a": trial("ECHO-301", "melanoma"), "b": trial("IMblaze370", "crc_mss")}
    assert negative_trials(against, "melanoma", SimpleNamespace(trials=known)) == expected


def test_refuted_column_wins(knowledge):
    result = fake_result()
    result.ranking["refuted"] = [i == 0 for i in range(len(result.ranking))]
    assert [r.rank for r in build_view(result, knowledge).regimens if r.refuted] == [1]


def test_real_columns_of_the_design_layer(knowledge):
    result = fake_result()
    result.ranking["origin"] = ["standard of care" if i in (0, 3) else "dominant node" for i in range(14)]
    result.ranking.loc[3, "reason"] = "Checkpoint backbone for comparison; the reference of the comparisons."
    result.trajectories = result.trajectories.rename(tumor_volume_ml="tumor_volume")
    result.nodes.attrs.update(quantity="change of ln tumor volume", unit="ln volume ratio after one year of treatment")
    view = build_view(result, knowledge)
    assert [r.rank for r in view.regimens if r.accepted] == [1, 4]
    assert view.standard.rank == 4
    assert view.node_quantity == "volume"
    assert view.node_span == "after one year of treatment"
    assert len(view.courses) == 15


@pytest.mark.parametrize(
    ("regimen", "agents"),
    [
        ("ipilimumab 3 mg/kg q3w x4 + nivolumab 1 mg/kg q3w x4 then nivolumab 240 mg q2w", ["ipilimumab", "nivolumab"]),
        ("carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w", ["carboplatin", "pemetrexed"]),
        ("car_t 1e8 cells once", ["car t"]),
        ("fmt 1 transfer once", ["fmt"]),
        ("v940 1 mg q3w", ["v940"]),
        ("pembrolizumab", ["pembrolizumab"]),
        ("", []),
    ],
)
def test_agents_of_a_regimen(regimen, agents):
    assert words.agents_of(regimen) == agents


def test_short_names_stay_distinct():
    names = words.short_regimens(["nivolumab 240 mg q2w", "nivolumab 480 mg q4w", "ipilimumab 3 mg/kg q3w"])
    assert len(set(names.values())) == 3
    assert names["ipilimumab 3 mg/kg q3w"] == "ipilimumab"


def test_numbers_in_words():
    assert words.percent(0.001) == "<1%"
    assert words.percent(0.999) == ">99%"
    assert words.percent(None) == words.NOT_AVAILABLE
    assert words.percent(float("nan")) == words.NOT_AVAILABLE
    assert words.significant(0.0493) == "0.049"
    assert words.significant(17.26) == "17"
    assert words.significant(1234.0) == "1200"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_paired_comparison_orders_a_better_regimen_first(view):
    best = next(r for r in view.regimens if r.rank == 1)
    assert best.favored is not None
    assert best.favored > 0.8
    assert view.standard.favored is None


def test_response_as_the_node_quantity(knowledge):
    result = fake_result()
    result.nodes = pd.DataFrame(
        [("tgf_beta", "", 0.2, 0.1, 0.3), ("caf", "", 0.05, -0.1, 0.2)],
        columns=["mechanism", "partner", "effect", "low", "high"],
    )
    result.nodes.attrs["quantity"] = "response"
    view = build_view(result, knowledge)
    assert view.node_quantity == "response"
    assert [n.mechanism for n in view.nodes] == ["tgf_beta", "caf"]

"""Figures draw what they are given: one mark a line, curves of both sides, error for a score that does not split."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pytest

from tumornexus.cohort import calibration
from tumornexus.errors import InputError

mpl.use("Agg")
import matplotlib.pyplot as plt

from tumornexus.cohort.figures import Line, calibration_curve, forest, kaplan_meier


@pytest.fixture
def axes():
    """Empty axes, closed afterwards."""
    figure, found = plt.subplots()
    yield found
    plt.close(figure)


def test_forest_has_a_row_for_each_line_and_shows_every_interval(axes):
    lines = [
        Line("heading", *[math.nan] * 3), Line("one", 0.6, 0.4, 0.8, 0.2, "0.6"),
        Line("none", *[math.nan] * 3, 0.0, "not measured"), Line("all", 0.65, 0.55, 0.75, 1.0, "0.65", True),
    ]  # fmt: skip
    forest(axes, lines, zero=0.5, label="AUC")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["heading", "one", "none", "all"]
    assert [t.get_fontweight() for t in axes.get_yticklabels()] == ["bold", "normal", "normal", "bold"]
    low, high = axes.get_xlim()
    assert low <= 0.4
    assert high >= 0.8
    assert {"not measured", "0.65"} <= {t.get_text() for t in axes.texts}


def test_kaplan_meier_splits_and_tells_the_sizes(axes):
    pytest.importorskip("lifelines")
    rng = np.random.default_rng(1)
    x = rng.normal(size=80)
    days = rng.exponential(300 * np.exp(x))
    _, p = kaplan_meier(axes, x, days, np.ones(80), name="score", endpoint="PFS")
    assert p < 0.01
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["high (n 40)", "low (n 40)"]
    with pytest.raises(InputError, match="does not split"):
        kaplan_meier(axes, np.ones(80), days, np.ones(80), name="flat", endpoint="PFS")


def test_calibration_curve_shows_each_group(axes):
    rng = np.random.default_rng(2)
    p = rng.uniform(0.1, 0.9, 200)
    found = calibration(p, rng.random(200) < p, np.full(200, "a"), groups=5)
    calibration_curve(axes, found, title="here")
    assert len(axes.collections) == 5
    assert "slope" in axes.get_title()

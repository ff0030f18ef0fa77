"""The figure of serial readings: there where they are, absent without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tumornexus.report.figures import serial_figure
from tumornexus.report.page import page
from tumornexus.report.rows import SerialCourse

DAY = np.arange(84.0, 260.0, 7.0)
QUANTILES = np.stack([DAY, *(70.0 * np.exp(z * 0.02 * np.sqrt(DAY - 80.0)) for z in (-1.6, -0.7, 0.0, 0.7, 1.6))])


def course(**changes) -> SerialCourse:
    before = np.concatenate([QUANTILES[:1] - 84.0, QUANTILES[1:]])
    readings = {"day": np.array([0.0, 42.0, 84.0]), "mm": np.array([60.0, 67.0, 70.0])}
    found = SerialCourse("nivolumab", **readings, forecast=QUANTILES, before=before, n_readings=5, n_ctdna=2,
                         n_effective=21.0, n_candidates=505, temperature=0.5, unusual=True)  # fmt: skip
    return replace(found, **changes)


def test_readings_and_forecast_are_on_the_page(view):
    html = page(replace(view, serial=course()))
    for words in ("Measured so far, and forecast", "5 readings (2 of tumor DNA in plasma)", "power 0.50", "unusual"):
        assert words in html
    assert 'id="fig-serial' in html


def test_without_readings_the_page_says_nothing_of_them(view, html):
    assert view.serial is None
    assert "Measured so far" not in html


def test_every_reading_is_a_dot():
    svg = serial_figure(type("V", (), {"serial": course()})()).svg()  # type: ignore[arg-type]
    assert svg.count("<circle") == 3
    none = course(day=np.zeros(0), mm=np.zeros(0))
    assert "No diameter" in serial_figure(type("V", (), {"serial": none})()).svg()  # type: ignore[arg-type]

"""Real images: the mixing score finds the published classes, and a lattice keeps what the slide shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from by_path import script

keren = script("keren", "verification")


def test_area_under_the_curve_is_the_chance_of_order():
    draw = np.random.default_rng(0)
    low, high = draw.integers(0, 9, 30), draw.integers(2, 11, 20)
    direct = np.mean((high[:, None] > low) + 0.5 * (high[:, None] == low))
    assert keren.area_under_curve(low, high) == pytest.approx(direct)


@pytest.mark.realdata
def test_images_keep_their_class_and_statistics(shared_data):
    folder = shared_data / keren.COHORT
    if not folder.is_dir():
        pytest.skip(f"no {keren.COHORT} among the public cohorts")
    slides = {
        s: keren.read_slide(folder / "cells.tsv.gz", sample=s, pixel_um=keren.PIXEL_UM, image_size=(2048, 2048))
        for s in ("p05", "p14", "p24")
    }
    assert slides["p05"].left_out.keys() == {"Other"}
    architecture = pd.read_csv(folder / "clinical.tsv", sep="\t").set_index("sample")["architecture"]
    found = keren.compare(slides, keren.WAYS, 1)
    table = keren.table_of(found, architecture, slides).set_index(["way", "sample"])
    slide = table.loc["slide"]
    assert slide["architecture"].tolist() == slide["published"].str.lower().tolist()
    ratio = table.loc["lattice"]["mixing_30um"] / table.loc["modeled cells"]["mixing_30um"]
    assert ratio.between(0.9, 1.1).all()
    assert (table.loc["lattice"]["moved_median"] < 0.6).all()
    assert (table.loc["lattice"]["cells"] == table.loc["modeled cells"]["cells"]).all()

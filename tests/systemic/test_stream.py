"""Populations in parts: the parts are the whole, files appear complete, and the manifest is last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulated import Tumors, usual
from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.export.patients import VirtualPatients
from tumornexus.systemic.solver import Lesions, treat
from tumornexus.systemic.stream import MANIFEST, population, treat_in_parts, write_parts

pytestmark = pytest.mark.simulation


@pytest.fixture(scope="module")
def whole(tumors: Tumors) -> VirtualPatients:
    return VirtualPatients(tumors.names, tumors.values[""], Lesions.single(tumors.n), tumors.state[""])


def cut(patients: VirtualPatients, *ends: int) -> Iterator[VirtualPatients]:
    for start, end in pairwise((0, *ends)):
        yield patients[np.arange(start, end)]


def test_the_parts_are_the_whole(whole: VirtualPatients, knowledge: Knowledge, tmp_path: Path):
    treatment, n = usual(knowledge, "nivolumab"), len(whole.values)
    expected = treat(
        whole.values, whole.names, whole.state, [treatment], np.zeros(n, int), lesions=whole.lesions,
        keep=["tumor_volume"],
    )  # fmt: skip
    seen = write_parts(tmp_path / "out", treat_in_parts(cut(whole, 2, n), treatment, seed=None), notes={"why": "test"})
    assert seen == n
    table = pd.read_parquet(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        MANIFEST, "part-00000.parquet", "part-00001.parquet",
    ]  # fmt: skip
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["members"] == n
    volume = table.pivot(index="member", columns="day", values="tumor_volume")
    np.testing.assert_array_equal(volume.to_numpy(), expected["tumor_volume"].values)
    np.testing.assert_array_equal(volume.columns, expected["time"].values)
    lesion = table.pivot(index="member", columns="day", values="lesion1")
    np.testing.assert_array_equal(lesion.to_numpy(), expected["lesion_volume"].values[:, 0])
    with pytest.raises(SimulationError, match="another run"):
        write_parts(tmp_path / "out", iter(()))


def test_an_interrupted_run_leaves_whole_parts_and_no_manifest(
    whole: VirtualPatients, knowledge: Knowledge, tmp_path: Path
):
    def interrupted() -> Iterator[xr.Dataset]:
        yield from treat_in_parts(cut(whole, 2), usual(knowledge, "nivolumab"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parts(tmp_path, interrupted())
    assert [p.name for p in tmp_path.iterdir()] == ["part-00000.parquet"]
    assert set(pd.read_parquet(tmp_path)["member"]) == {0, 1}


def test_a_population_is_as_large_as_asked_and_its_parts_differ(knowledge: Knowledge):
    parts = list(population("melanoma", knowledge, 30, part=16))
    assert sum(len(p.values) for p in parts) == 30
    assert len(parts) > 1
    growth = np.concatenate([p.values[:, p.names.index("growth_rate")] for p in parts])
    assert len(np.unique(growth)) == 30
    again = next(population("melanoma", knowledge, 5, part=16))
    np.testing.assert_array_equal(again.values, parts[0].values[:5])

"""A run that is killed and started again leaves the same folder as one that was left in peace."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tissue_frames import frame
from tumornexus.cellkinds import KINDS
from tumornexus.errors import InputError
from tumornexus.report.tissue_folder import TissueFolder

IDENTITY = {"scenario": "s1", "knowledge": "k1", "versions": {"jax": "1"}}
REGIMENS = ("untreated", "pembrolizumab 200 mg q3w")
DAYS = 2


class Killed(Exception):
    pass


def folder(out: Path, **changes: Any) -> TissueFolder:
    return TissueFolder(
        out, REGIMENS, identity={**IDENTITY, **changes}, manifest={"seed": 1, "call": ["tumornexus"]},
        columns=("day", *KINDS[1:]), site_um=17.0, coarse=2,
    )  # fmt: skip


def simulate(
    out: Path, *, killed_at: tuple[int, int] | None = None, resume: bool | None = None, **changes: Any
) -> None:
    """A stand-in for the simulator: a day's frame follows from a state that the checkpoint keeps."""
    keeper = folder(out, **changes)
    found = keeper.resume(resume)
    run, next_day, state = (0, 0, 0) if found is None else (keeper.run, found[1]["day"] + 1, int(found[0]["state"]))
    while run < len(REGIMENS):
        if next_day == 0:
            keeper.begin(run)
            state = 100 * run
        for day in range(next_day, DAYS + 1):
            if (run, day) == killed_at:
                raise Killed
            state += day
            now = frame((16, 20), day=day, seed=state)
            keeper.film(now)
            if day % 2 == 0:
                counts = np.bincount(now["kind"].ravel(), minlength=len(KINDS))
                keeper.snapshot(now, {"day": float(day), **dict(zip(KINDS[1:], counts[1:].tolist(), strict=True))})
            keeper.checkpoint({"state": np.array(state)}, {"day": day})
        keeper.end_run()
        run, next_day = run + 1, 0
    keeper.finish()


def content(out: Path) -> dict[str, Any]:
    """Every file's bytes; of AnnData, whose container holds times, what is in it."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".h5ad":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import anndata

                adata = anndata.read_h5ad(path)
            found[name] = (adata.obs.to_csv(), np.asarray(adata.X).tobytes(), adata.uns["provenance"])
        else:
            found[name] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    simulate(out)
    return out


def test_folder_holds_what_is_promised(whole_run: Path) -> None:
    assert sorted(p.name for p in whole_run.iterdir()) == [
        "01_untreated", "02_pembrolizumab_200_mg_q3w", "curves.png", "manifest.json", "summary.tsv",
    ]  # fmt: skip
    for run in ("01_untreated", "02_pembrolizumab_200_mg_q3w"):
        names = {p.name for p in (whole_run / run).iterdir()}
        days = [f"{what}_day{day:03d}.{end}" for what, end in (("cells", "h5ad"), ("fields", "zarr"), ("tissue", "png"))
                for day in (0, 2)]  # fmt: skip
        assert names == {*days, "tissue.gif"}
    table = pd.read_csv(whole_run / "summary.tsv", sep="\t")
    assert table["regimen"].tolist() == [r for r in REGIMENS for _ in range(2)]
    assert table["day"].tolist() == [0, 2] * 2
    assert json.loads((whole_run / "manifest.json").read_text())["seed"] == 1


@pytest.mark.parametrize("killed_at", [(0, 2), (1, 1)])
def test_killed_run_ends_like_one_left_in_peace(tmp_path: Path, whole_run: Path, killed_at: tuple[int, int]) -> None:
    with pytest.raises(Killed):
        simulate(tmp_path, killed_at=killed_at)
    assert not (tmp_path / "manifest.json").exists()
    simulate(tmp_path, resume=True)
    expected, found = content(whole_run), content(tmp_path)
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == expected[name], name


def test_checkpoint_of_another_scenario_is_refused_until_fresh(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        simulate(tmp_path, killed_at=(0, 1))
    with pytest.raises(InputError, match=r"another scenario.*--fresh"):
        folder(tmp_path, scenario="s2").resume()
    assert folder(tmp_path, scenario="s2").resume(False) is None


def test_folders_of_regimens_are_short_and_told_apart(tmp_path: Path) -> None:
    keeper = folder(tmp_path)
    keeper.regimens = ("nivolumab 3 mg/kg q3w x4 + " * 5, "nivolumab 3 mg/kg q3w x4 + " * 5 + "x", "a/../b")
    names = []
    for keeper.run in range(3):
        names.append(keeper.folder.name)
        assert keeper.folder.parent == tmp_path
    assert len(set(names)) == 3
    assert all(len(name) <= 64 for name in names)

"""The folder of a tissue run: where everything that the simulator hands out is kept, and from which a run goes on.

    out/01_untreated/cells_day010.h5ad, fields_day010.zarr, tissue_day010.png, ...   what stands where on a day
    out/01_untreated/tissue.gif                                                      the film
    out/summary.tsv, out/curves.png                                                  one row a regimen and snapshot
    out/manifest.json                                                                last: a folder with it is complete
    out/checkpoint.npz, out/01_untreated/.film/                                      while a run is under way

The simulator, which may not import this layer, is given a `TissueFolder` and calls `resume` once, then `begin`,
`film`, `snapshot` and `checkpoint` as it goes, and `finish`. Frames have the form of `tumornexus.io.tissue`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.io.checkpoint import CHECKPOINT, save_checkpoint, start_from
from tumornexus.io.tissue import UNITS, write_cells, write_fields, write_summary
from tumornexus.io.write import whole, write_json
from tumornexus.report.tissue import curves, still
from tumornexus.report.tissue_movie import movie
from tumornexus.report.tissue_raster import plane_of, restored, stored


class TissueFolder:
    """Keeper of the results of one scenario.

    Args:
        out: the folder.
        regimens: one run each, in order.
        identity: digests and versions that a checkpoint must share (`tumornexus.io.checkpoint.SAME`).
        manifest: provenance, written into every file.
        columns: of ``summary.tsv`` after ``regimen``; the first is ``day``.
        site_um, coarse: edge of a site, um, and sites per edge of a voxel.
        clones: names of the clones.
        units: units of fields.
        format: ``h5ad`` or ``zarr``, of the cells.
        with_movie: whether to make films.
    """

    def __init__(
        self, out: Path, regimens: Sequence[str], *, identity: Mapping[str, Any], manifest: Mapping[str, Any],
        columns: Sequence[str], site_um: float, coarse: int, clones: Sequence[str] = (),
        units: Mapping[str, str] = UNITS, format: str = "h5ad", with_movie: bool = True,
    ) -> None:  # fmt: skip
        self.out, self.regimens = Path(out), tuple(regimens)
        self.identity, self.manifest = dict(identity), dict(manifest)
        self.columns, self.site_um, self.coarse, self.clones = ("regimen", *columns), site_um, coarse, tuple(clones)
        self.units, self.format, self.with_movie = units, format, with_movie
        self.rows: list[dict[str, Any]] = []
        self.run = 0

    def resume(self, wanted: bool | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return arrays and meta of the last checkpoint, or None where the run starts at the beginning.

        `wanted` as in `tumornexus.io.checkpoint.start_from`, whose errors it raises. The summary's rows up to the
        checkpoint are taken over; later ones will come again.
        """
        found = start_from(self.out, self.identity, wanted)
        if found is not None:
            self.rows, self.run = list(found[1].pop("rows")), int(found[1].pop("run"))
        return found

    @property
    def folder(self) -> Path:
        """The folder of the regimen under way: its number and the letters and digits of its name."""
        name = re.sub(r"[^a-z0-9.]+", "_", self.regimens[self.run].lower()).strip("_.")
        return self.out / f"{self.run + 1:02d}_{name[:60].rstrip('_.')}"

    def begin(self, run: int) -> None:
        """Turn to a regimen, by its number, at its first day."""
        self.run = run
        shutil.rmtree(self.folder / ".film", ignore_errors=True)

    def film(self, frame: Mapping[str, Any]) -> None:
        """Keep a frame for the film; one of the same day is replaced."""
        if self.with_movie:
            with whole(self.folder / ".film" / f"{frame['day']:010.4f}.npz") as partial:
                np.savez_compressed(partial, **stored(plane_of(frame)))

    def snapshot(self, frame: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        """Write cells, fields and picture of a day, and keep its row of the summary."""
        day, how = f"day{frame['day']:07.3f}".replace(".000", ""), {"site_um": self.site_um, "coarse": self.coarse}
        told = {**self.manifest, "regimen": self.regimens[self.run]}
        write_cells(
            self.folder / f"cells_{day}", frame, self.format, clones=self.clones, units=self.units, uns=told, **how
        )
        write_fields(self.folder / f"fields_{day}", frame, units=self.units, uns=told, **how)
        still(frame, self.folder / f"tissue_{day}.png", site_um=self.site_um, caption=self.regimens[self.run])
        self.rows.append({"regimen": self.regimens[self.run], **row})

    def checkpoint(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Save the state of the simulator with the rows so far; `meta` is plain data, such as the step."""
        save_checkpoint(
            self.out / CHECKPOINT, arrays, {**meta, **self.identity, "rows": self.rows, "run": self.run}
        )  # fmt: skip

    def end_run(self) -> None:
        """Make the film of the regimen under way from the frames kept."""
        kept = self.folder / ".film"
        if self.with_movie:
            planes = []
            for path in sorted(kept.glob("*.npz")):
                with np.load(path) as arrays:
                    planes.append(restored(arrays))
            movie(planes, self.folder / "tissue.gif", site_um=self.site_um, caption=self.regimens[self.run])

    def finish(self) -> None:
        """Write summary, curves and manifest, in this order, then remove what only a run under way needs."""
        write_summary(self.out / "summary.tsv", self.rows, self.columns)
        curves(pd.DataFrame(self.rows, columns=list(self.columns)), self.out / "curves.png")
        write_json(self.out / "manifest.json", self.manifest)
        (self.out / CHECKPOINT).unlink(missing_ok=True)
        for kept in self.out.glob("*/.film"):
            shutil.rmtree(kept, ignore_errors=True)

"""Populations larger than memory: grown, treated and written part by part.

A part is drawn, grown and treated before the next one is drawn, so memory hangs on the size of a part and not on the
number of patients. Parts go to a folder of Parquet files, each renamed into place when it is complete, the manifest
last; `pandas.read_parquet(folder)`, or any other reader of Parquet, reads them as one table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr

from tumornexus import __version__
from tumornexus.activities import named_generator
from tumornexus.errors import SimulationError
from tumornexus.files import whole_file
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.export.patients import VirtualPatients
from tumornexus.systemic.solver import CHUNK, grow, treat
from tumornexus.systemic.treatment import Treatment
from tumornexus.systemic.twin import draw_bare, draw_burden, draw_lesions, parameter_names

PART = 32 * CHUNK  # drawn patients of a part: about 200 MB while they are simulated
MANIFEST = "_manifest.json"  # readers of Parquet folders skip names that begin with an underscore


def population(
    tumor: str, knowledge: Knowledge, n: int, *, seed: int = 0, braf_v600: bool | None = None, part: int = PART
) -> Iterator[VirtualPatients]:
    """Yield `n` virtual patients of a tumor type with grown tumors, part by part.

    Each part holds those of `part` draws that reach the burden drawn for them, the last one only as many as are left.
    Draws are without mechanisms; small clones follow the equations while tumors grow.

    Raises:
        SimulationError: no draw of a part reaches its burden.
    """
    if n < 1 or part < 1:
        raise SimulationError("nothing to draw", field="n, part", value=(n, part), valid="whole numbers of 1 or more")
    record, names, left, number = knowledge.tumor(tumor), parameter_names(knowledge), n, 0
    while left > 0:
        sample = f"population-{record.id}-{number}"
        values = draw_bare(knowledge, record, part, seed, sample, braf_v600)
        lesions = draw_lesions(values, names, seed, sample)
        grown = grow(values, names, draw_burden(record, values, names, seed, sample), lesions=lesions)
        chosen = np.flatnonzero(grown.status == 0)[:left]
        if not len(chosen):
            raise SimulationError(
                "no drawn tumor reaches its burden", field="tumor", value=tumor, valid=f"one of {part}"
            )
        state = jax.tree.map(lambda x, rows=chosen: np.asarray(x)[rows], grown.state)
        yield VirtualPatients(names, values[chosen], lesions[chosen], state)
        left, number = left - len(chosen), number + 1


def treat_in_parts(
    parts: Iterable[VirtualPatients],
    treatment: Treatment,
    *,
    keep: Sequence[str] = ("tumor_volume",),
    seed: int | None = 0,
    steps_per_day: int = 1,
    precise: bool = False,
) -> Iterator[xr.Dataset]:
    """Yield the trajectories of each part of a population under one treatment, as `treat` returns them.

    `member` counts over all parts, in the attribute `failures` as well. `seed`: of chance in small clones, each member
    with its own; None: none. Draws and chance are addressed by part: another size of parts is another population.
    """
    before = 0
    for number, part in enumerate(parts):
        n = len(part.values)
        luck = None
        if seed is not None:
            luck = named_generator(seed, "luck", f"part-{number}").integers(0, 2**32, size=n, dtype=np.uint32)
        data = treat(
            part.values, part.names, part.state, [treatment], np.zeros(n, int), lesions=part.lesions, luck=luck,
            steps_per_day=steps_per_day, precise=precise, keep=keep,
        )  # fmt: skip
        failures = json.loads(data.attrs["failures"])
        data.attrs["failures"] = json.dumps([{**f, "member": f["member"] + before} for f in failures])
        yield data.assign_coords(member=np.arange(before, before + n))
        before += n


def part_table(data: xr.Dataset) -> pd.DataFrame:
    """Return the trajectories of a part as a table with a row for each member and week.

    Columns: `member`, `day`, each observable, the volume of each lesion in mL (`lesion1`, ...), `toxicity_event_day`
    (infinite where there is none) and `status`.
    """
    members, weeks = data.sizes["member"], data.sizes["time"]
    columns: dict[str, np.ndarray] = {
        "member": np.repeat(data["member"].values.astype(np.int64), weeks),
        "day": np.tile(data["time"].values.astype(np.int32), members),
    }
    for name, array in data.data_vars.items():
        if array.dims == ("member", "time"):
            columns[str(name)] = array.values.ravel()
    volume = data["lesion_volume"].transpose("lesion", "member", "time").values
    columns |= {f"lesion{i + 1}": x.ravel() for i, x in enumerate(volume)}
    columns |= {name: np.repeat(data[name].values, weeks) for name in ("toxicity_event_day", "status")}
    return pd.DataFrame(columns, copy=False)


def write_parts(
    folder: str | Path,
    parts: Iterable[xr.Dataset],
    *,
    notes: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write each part as a Parquet file of `folder` and return the number of members.

    Only one part is held at a time. A file appears under its name when it is complete, and the manifest when all are:
    `notes` (say there tumor, regimen, seed and knowledge digest, of which the parts know nothing), numbers of members
    and parts, failed trajectories and the version. An interrupted run leaves whole parts and no manifest; it cannot be
    resumed.

    Raises:
        SimulationError: the folder holds parts already, or cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob("part-*.parquet")):
            raise SimulationError("the folder holds parts of another run", file=folder, valid="an empty or new folder")
        members = number = 0
        failures: list[dict[str, Any]] = []
        for data in parts:
            with whole_file(folder / f"part-{number:05d}.parquet") as partial:
                part_table(data).to_parquet(partial, index=False)
            members, number = members + data.sizes["member"], number + 1
            failures += json.loads(data.attrs.get("failures", "[]"))
            if progress:
                progress(members)
        counts = {"members": members, "parts": number, "failures": failures, "tumornexus": __version__}
        manifest = {**(notes or {}), **counts}
        with whole_file(folder / MANIFEST) as partial:
            partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise SimulationError(f"the parts cannot be written: {error.strerror}", file=folder) from None
    return members

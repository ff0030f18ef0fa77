"""The scenario: what tissue to simulate, for how long, under which regimens, and what to keep.

`read_scenario` reads a TOML file and checks form and meaning before anything is allocated or compiled, so that wrong
input ends in one clear sentence. How large the lattice is and whether it fits is told in `tumornexus.tissue.size`.

    tumor = "melanoma"              # or patient = "folder" [with sample = "ID"]: the tumor type is then the patient's
    phenotype = "inflamed"          # how the tissue starts: inflamed, excluded or desert; or slide = "cells.tsv"
    days = 60
    seed = 1
    size_um = [2500, 2500]          # x, y and, for a tissue in 3D, z
    regimen = "pembrolizumab 200 mg q3w"
    [mechanisms]
    tgf_beta = 1.0
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, field_validator

from tumornexus.biology.mechanics import site_um
from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge import Knowledge
from tumornexus.tissue.scenario_fields import UNTREATED, check_set, in_fields
from tumornexus.tissue.size import Lattice, free_bytes, lattice_of, require_memory
from tumornexus.toml_input import form_error, toml_content

MOST_DAYS = 728.0  # the host scale's horizon, for which doses are laid out
SITE_UM_RANGE = (5.0, 60.0)  # one cell fills a site: from a platelet-sized to a giant cell's edge
HOURS_A_DAY = 24.0

Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
LargestStep = Callable[["Scenario", Knowledge], tuple[float, str]]
"""Gives the largest time step (hours) that is accurate for a scenario, and what limits it, in words."""

# Rates per day of what a cell can do at most at full drive, in units of its own probability in a step. Killing is not
# among them: its ceiling is an unrestrained effector's, which contact lowers, and the core knows how far.
EVENT_RATES = (
    "growth_rate", "dc_maturation", "dc_death", "neutrophil_death", "virus_infectivity", "virus_lysis",
    "effector_proliferation", "effector_death", "cart_expansion", "cart_contraction", "induction_rate",
    "m2_polarization", "dead_clearance", "nk_death",
)  # fmt: skip
LARGEST_PROBABILITY_TIME = 0.5
"""Largest rate times step. The chance of an event is then 1 - exp(-0.5) = 0.39 and that of a second one, which a step
cannot hold, 0.09 (assumed limit). Fields are in balance with the cells and limit no step."""


class Part(BaseModel):
    """Base of a scenario's tables: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Slide(Part):
    """A table of cells with coordinates from which the lattice starts.

    `file` is relative to the scenario. `x`, `y` and `cell_type` name its columns where they are not usual ones;
    `sample` picks one image where there are several. Coordinates are in pixels of `pixel_um` micrometers (1 for
    micrometers). None only where the file says the unit itself (columns ``x_um`` and ``y_um``, QuPath in micrometers,
    Xenium); any other file is then refused.
    """

    file: Text
    sample: Text | None = None
    x: Text | None = None
    y: Text | None = None
    cell_type: Text | None = None
    pixel_um: Annotated[Number, Field(gt=0.0, le=100.0)] | None = None


class Output(Part):
    """What is kept: cells and fields every `every_days`, a checkpoint every `checkpoint_hours` of simulated time."""

    every_days: Annotated[Number, Field(gt=0.0)] = 10.0
    checkpoint_hours: Annotated[Number, Field(gt=0.0)] = 24.0
    movie: Flag = True
    format: Literal["h5ad", "zarr"] = "h5ad"


class Scenario(Part):
    """A checked scenario; names of the catalogue are ids, regimens are in normal form.

    Attributes:
        source: file it was read from; paths in it are relative to its folder.
        tumor: tumor id; None where it is still to come from the patient (`with_tumor`).
        size_um: edges x, y[, z] as asked for; `lattice` tells what they were rounded to.
        site_um: edge of a site, um; one cell fills a site.
        regimens: one run each; ``untreated`` where none was given.
        mechanisms: mechanism id to level in [0, 1], set by hand; all others come from the tumor type or the patient.
        overrides: parameter id to value, from ``[set]`` and ``--set``.
    """

    source: Path
    tumor: Text | None = None
    patient: Text | None = None
    sample: Text | None = None
    phenotype: Literal["inflamed", "excluded", "desert"] | None = None
    slide: Slide | None = None
    days: Annotated[Number, Field(gt=0.0, le=MOST_DAYS)]
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = 0
    size_um: tuple[Number, ...] = ()
    site_um: Annotated[Number, Field(ge=SITE_UM_RANGE[0], le=SITE_UM_RANGE[1])]
    dt_hours: Annotated[Number, Field(gt=0.0, le=HOURS_A_DAY)] = 1.0
    regimens: tuple[Text, ...] = (UNTREATED,)
    mechanisms: dict[str, Annotated[Number, Field(ge=0.0, le=1.0)]] = {}
    overrides: dict[str, Number] = {}
    output: Output = Output()

    @field_validator("size_um")
    @classmethod
    def _two_or_three_lengths(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value and len(value) not in (2, 3):
            raise ValueError("a size has two numbers (x, y) or three (x, y, z)")
        if any(length <= 0.0 for length in value):
            raise ValueError("a size must be positive")
        return value

    @cached_property
    def lattice(self) -> Lattice:
        """The lattice that `size_um` is rounded up to. Raises ValueError where the size comes from a slide."""
        if not self.size_um:
            raise ValueError("this scenario takes its size from the slide")
        return lattice_of(self.size_um, self.site_um)

    @property
    def steps(self) -> int:
        """Number of steps of the whole run."""
        return round(self.days * HOURS_A_DAY / self.dt_hours)

    def path(self, name: str) -> Path:
        """Return where a file or folder named in the scenario lies."""
        return self.source.parent / name

    def with_tumor(self, tumor: str) -> Scenario:
        """Return the scenario with the tumor type of its patient.

        Raises:
            InputError: the scenario names another tumor type.
        """
        if self.tumor is not None and self.tumor != tumor:
            raise InputError(
                "the scenario and its patient name different tumor types", file=self.source, field="tumor",
                value=self.tumor, valid=f"{tumor}, as the patient has it, or leave 'tumor' out",
            )  # fmt: skip
        return self.model_copy(update={"tumor": tumor})

    def record(self) -> dict[str, Any]:
        """Return the scenario as plain data, for the manifest and the checkpoint."""
        record = self.model_dump(mode="json", exclude={"source"})
        record["file"] = self.source.name
        return record

    def digest(self, further: str = "") -> str:
        """Return 16 hexadecimal digits that two scenarios share only if they ask for the same simulation.

        Whatever moves a cell counts, a slide by its content; the file's name and what is drawn or how it is written do
        not. `further` adds what else the start was made from, such as a digest of the patient's activities.
        """
        record = self.model_dump(mode="json", exclude={"source": True, "output": {"movie", "format"}})
        text = json.dumps(record, sort_keys=True) + "\x1f" + further
        content = self.path(self.slide.file).read_bytes() if self.slide else b""
        return hashlib.sha256(text.encode() + b"\x1f" + content).hexdigest()[:16]


def default_largest_step(scenario: Scenario, knowledge: Knowledge) -> tuple[float, str]:
    """Return the largest accurate step (hours) by the fastest of `EVENT_RATES`, and what limits it."""
    values = {
        name: scenario.overrides.get(name, knowledge.parameters[name].value)
        for name in EVENT_RATES
        if name in knowledge.parameters
    }
    fastest = max(values, key=values.__getitem__)
    limit = LARGEST_PROBABILITY_TIME / values[fastest] * HOURS_A_DAY
    return limit, f"{fastest} = {values[fastest]:g} per day"


def read_scenario(
    path: Path | str,
    knowledge: Knowledge,
    *,
    overrides: Mapping[str, float] | None = None,
    largest_step: LargestStep = default_largest_step,
    free: int | None = None,
) -> Scenario:
    """Read and check a scenario file.

    Args:
        path: TOML file of the form above.
        knowledge: catalogue that knows tumor types, mechanisms, parameters and drugs.
        overrides: parameters set on the command line; they replace those of ``[set]``.
        largest_step: the largest accurate time step, from the core.
        free: memory that may be used, bytes; what the machine has free, if not given.

    Raises:
        InputError, RegimenError: the first thing wrong, naming file, field, value and what would be valid.
    """
    path = Path(path)
    content = toml_content(path)
    raw, given = in_fields(content, path, knowledge)
    given |= dict(overrides or {})
    check_set(given, knowledge, path)
    raw["overrides"] = given
    if "site_um" not in raw:
        value = {n: given.get(n, knowledge.parameters[n].value) for n in ("site_density", "packing")}
        raw["site_um"] = site_um(value["packing"], value["site_density"])
    try:
        scenario = Scenario(source=path, **raw)
    except ValidationError as error:
        raise form_error(
            error, path, Scenario, {"slide": Slide, "output": Output},
            renamed={"overrides": "set", "regimens": "regimen"},
            examples={"size_um": "[2500, 2500] or [400, 400, 400], in micrometres"},
        ) from None  # fmt: skip
    _check_start(scenario)
    _check_times(scenario, knowledge, largest_step)
    if scenario.size_um:
        require_memory(scenario.lattice, free_bytes() if free is None else free, path)
    return scenario


def _check_start(scenario: Scenario) -> None:
    """Require one start: what is named exists, nothing is said twice."""
    path = scenario.source
    if scenario.tumor is None and scenario.patient is None:
        raise InputError("the tumor is missing", file=path, field="tumor",
                         valid="tumor = \"melanoma\", or patient = \"folder\"")  # fmt: skip
    if scenario.phenotype is not None and scenario.slide is not None:
        raise InputError(
            "both a phenotype and a slide say how the tissue starts", file=path, field="phenotype",
            value=scenario.phenotype, valid="one of 'phenotype' and 'slide'",
        )  # fmt: skip
    if scenario.sample is not None and scenario.patient is None:
        raise InputError(
            "a sample without a patient", file=path, field="sample", value=scenario.sample,
            valid="patient = \"cohort folder\" beside it; the sample of a slide goes into [slide]",
        )  # fmt: skip
    if scenario.slide is None and not scenario.size_um:
        raise InputError("the size is missing", file=path, field="size_um", valid="[2500, 2500] or [400, 400, 400]")
    if scenario.slide is not None and len(scenario.size_um) == 3:
        raise InputError("a slide is flat", file=path, field="size_um", value=list(scenario.size_um),
                         valid="two numbers, or none to take the slide's own size")  # fmt: skip
    for field, name, exists, what in (
        ("patient", scenario.patient, Path.is_dir, "a folder"),
        ("slide.file", scenario.slide.file if scenario.slide else None, Path.exists, "a file"),
    ):
        if name is not None and not exists(scenario.path(name)):
            folder = scenario.path(name).parent
            near = [p.name for p in folder.iterdir()] if folder.is_dir() else []
            hint = near_misses(Path(name).name, near)
            if not hint.startswith("did you mean"):
                hint = f"{what}, relative to the scenario"
            raise InputError(f"no such {what.split()[-1]}", file=path, field=field, value=name, valid=hint)


def _check_times(scenario: Scenario, knowledge: Knowledge, largest_step: LargestStep) -> None:
    """Require a step that fits into a day and into all other times, and that no rate outruns."""
    path, hours = scenario.source, scenario.dt_hours
    if scenario.days * HOURS_A_DAY < hours:
        raise InputError("the run is shorter than one step", file=path, field="days", value=scenario.days,
                         valid=f"at least {hours / HOURS_A_DAY:g}")  # fmt: skip
    limit, reason = largest_step(scenario, knowledge)
    if hours > limit:
        raise InputError(
            f"the time step is too long for the fastest process ({reason})", file=path, field="dt_hours", value=hours,
            valid=f"at most {divisor_below(limit):g} hours",
        )  # fmt: skip
    # Doses fall on the start of a day, and a checkpoint must be a state of the run.
    spans: Iterable[tuple[str, float]] = (
        ("dt_hours", HOURS_A_DAY),
        ("days", scenario.days * HOURS_A_DAY),
        ("output.every_days", scenario.output.every_days * HOURS_A_DAY),
        ("output.checkpoint_hours", scenario.output.checkpoint_hours),
    )
    for field, span in spans:
        if span < hours * (1.0 - 1e-9) or abs(span / hours - round(span / hours)) > 1e-6:
            what = "a day" if field == "dt_hours" else f"{span:g} hours"
            valid = "24, 12, 8, 6, 4, 3, 2, 1, 0.5, ..." if field == "dt_hours" else f"a multiple of {hours:g} hours"
            raise InputError(f"{what} must hold a whole number of steps", file=path, field=field,
                             value=hours if field == "dt_hours" else None, valid=valid)  # fmt: skip


def divisor_below(hours: float) -> float:
    """Return the largest step not above `hours` of which a day holds a whole number."""
    return HOURS_A_DAY / math.ceil(HOURS_A_DAY / hours - 1e-9)

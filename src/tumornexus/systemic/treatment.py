"""From a regimen to tables: doses a day and what each drug does, in the fixed shape that the compiled step expects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tumornexus.biology.drug_action import Acted, Acts
from tumornexus.biology.pharmacology import Kinetics
from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Drug, Parameter
from tumornexus.knowledge.regimen import Regimen, parse_regimen
from tumornexus.systemic.kinetics import effect_days, kinetics_of, log_sd_clearance
from tumornexus.systemic.ode import DEPOSITS

SLOTS = 6  # drugs in play at once; more is refused
HORIZON_DAYS = 728  # 104 weeks

# Penetration into tumor per day: antibodies take days, small molecules hours, which counts as at once (Thurber 2008).
# The rate is assumed: a half-time of two days.
ANTIBODY_PENETRATION_PER_DAY = 0.35
ANTIBODY_G_PER_MOL = 5e4  # fragments and fusion proteins above, cytokines (15-20 kDa) below
NEVER = 1e9  # day of the first dose of an empty slot


@dataclass(frozen=True)
class Treatment:
    """A regimen ready to simulate: `doses` (day, slot) in dose units, what a dose unit brings of living cells or virus
    (slot, kind of `DEPOSITS`) in million, `acts`, `kinetics` with axes (slot,) or (slot, acted), and
    `clearance_exponent` (slot,), see `ode.clearance_factors`."""

    text: str
    drugs: tuple[str, ...]
    doses: np.ndarray
    spread: np.ndarray  # (slot,) True where a day's amount is taken evenly over the day (oral)
    million_per_unit: np.ndarray
    acts: Acts
    kinetics: Kinetics
    clearance_exponent: np.ndarray
    acted: Acted
    hill_is_one: bool

    def until(self, days: int) -> Treatment:
        """Return the same treatment cut to the first `days` days."""
        return replace(self, doses=self.doses[:days])

    @property
    def deposits(self) -> np.ndarray:
        """Cells and virus given at the start of a day, (day, kind), million."""
        return self.doses @ self.million_per_unit

    @property
    def bolus(self) -> np.ndarray:
        """Amounts given at once at the start of a day, (day, slot)."""
        return np.where(self.spread, 0.0, self.doses)

    @property
    def input_rate(self) -> np.ndarray:
        """Amounts given evenly over a day, (day, slot), dose units per day."""
        return np.where(self.spread, self.doses, 0.0)

    @property
    def first_dose_day(self) -> np.ndarray:
        """Day of the first dose of each slot, from which time-dependent clearance counts, (slot,)."""
        given = self.doses > 0.0
        if not len(given):
            return np.full(SLOTS, NEVER)
        return np.where(given.any(axis=0), given.argmax(axis=0), NEVER).astype(float)


def is_bounded(parameter: Parameter) -> bool:
    """Return whether a parameter lives in [0, 1]: declared so, or a dimensionless one whose range is within it."""
    return parameter.bounded or (parameter.unit == "1" and parameter.low >= 0.0 and parameter.high <= 1.0)


def acted_parameters(knowledge: Knowledge) -> Acted:
    """Return what any therapy of the catalogue addresses, by law: the same for every regimen, hence static."""
    acts = [act for therapy in knowledge.therapies.values() for act in therapy.act]

    def by(law: str) -> tuple[str, ...]:
        addressed = {act.parameter for act in acts if act.law == law}
        return tuple(name for name in knowledge.parameters if name in addressed)

    every = {act.parameter for act in acts}
    upper = tuple((n, 1.0) for n, p in knowledge.parameters.items() if n in every and is_bounded(p))
    return Acted(multiply=by("multiply"), add=by("add"), saturate=by("saturate"), upper=upper)


NO_ACTS = Acted((), (), (), ())


def _empty_tables(acted: Acted) -> tuple[Acts, dict[str, np.ndarray]]:
    """Return acts and kinetics of empty slots: neutral, and with rates that divide nothing by zero."""
    acts = Acts(
        penetration_rate=np.zeros(SLOTS), ec50=np.ones(SLOTS), hill=np.ones(SLOTS), tumor_to_plasma=np.ones(SLOTS),
        local=np.zeros(SLOTS), checkpoint=np.zeros(SLOTS),
        hazard=np.zeros(SLOTS), stops=np.zeros(SLOTS), multiply=np.ones((SLOTS, len(acted.multiply))),
        add=np.zeros((SLOTS, len(acted.add))), saturate=np.zeros((SLOTS, len(acted.saturate))),
        saturates=np.zeros((SLOTS, len(acted.saturate))),
    )  # fmt: skip
    positive = {"k_elim": 1.0, "nm_per_unit": 1.0, "cl_t50_day": 1.0, "cl_hill": 1.0, "km": 1.0}
    return acts, {name: np.full(SLOTS, positive.get(name, 0.0)) for name in Kinetics.__dataclass_fields__}


def no_treatment() -> Treatment:
    """Return a treatment without drugs and days, for the untreated phase, which needs no catalogue."""
    acts, kinetics = _empty_tables(NO_ACTS)
    nothing = np.zeros((0, SLOTS))
    return Treatment(
        "untreated", (), nothing, np.zeros(SLOTS, bool), np.zeros((SLOTS, len(DEPOSITS))), acts, Kinetics(**kinetics),
        np.zeros(SLOTS), NO_ACTS, True,
    )  # fmt: skip


def untreated(knowledge: Knowledge, horizon_days: int = HORIZON_DAYS) -> Treatment:
    """Return the natural course as a treatment without drugs."""
    return prepare(Regimen("untreated", (), ()), knowledge, horizon_days)


def _hazard(drug: Drug, knowledge: Knowledge) -> float:
    """Return the weight of a drug's effect on the hazard of severe events (see `ode.hazard_rate`): the recorded risk on
    a logarithmic scale, times the window, over the days of effect that the usual regimen gives in it."""
    window = knowledge.parameters["toxicity_window"].value
    recorded = -np.log1p(-min(drug.toxicity.ae3_percent, 99.0) / 100.0)
    key = (knowledge.digest, drug.id)
    if key not in _EFFECT_DAYS:
        _EFFECT_DAYS[key] = effect_days(drug, parse_regimen(drug.usual, knowledge), window)
    return float(recorded * window / max(_EFFECT_DAYS[key], 0.1))


_EFFECT_DAYS: dict[tuple[str, str], float] = {}  # of usual regimens, which take a while to integrate


def prepare(regimen: Regimen, knowledge: Knowledge, horizon_days: int = HORIZON_DAYS) -> Treatment:
    """Return the tables of a regimen.

    Raises:
        RegimenError: more than `SLOTS` drugs.
    """
    drugs = [knowledge.drugs[d] for d in regimen.drugs]
    if len(drugs) > SLOTS:
        raise RegimenError(
            "too many drugs in one regimen", field="regimen", value=regimen.text, valid=f"at most {SLOTS} drugs"
        )
    acted = acted_parameters(knowledge)
    acts, kinetics = _empty_tables(acted)
    million_per_unit = np.zeros((SLOTS, len(DEPOSITS)))
    clearance_exponent = np.zeros(SLOTS)
    shared_sd = knowledge.parameters["clearance_factor"].spread_sd_log
    doses = np.zeros((horizon_days, SLOTS))
    daily = regimen.doses(horizon_days)
    spread = np.zeros(SLOTS, dtype=bool)
    for s, drug in enumerate(drugs):
        for name, value in kinetics_of(drug).items():
            kinetics[name][s] = value
        clearance_exponent[s] = log_sd_clearance(drug) / shared_sd if shared_sd > 0.0 else 0.0
        acts.ec50[s], acts.hill[s] = drug.affinity.ec50, drug.affinity.hill
        acts.tumor_to_plasma[s] = drug.affinity.tumor_to_plasma
        # What decays by an effect half-life has its delay there already.
        slow = drug.pk.model != "effect" and (drug.molar_mass_g_per_mol or 0.0) > ANTIBODY_G_PER_MOL
        acts.penetration_rate[s] = ANTIBODY_PENETRATION_PER_DAY if slow else 0.0
        acts.local[s] = float(drug.route in ("external beam", "intratumoral"))
        acts.hazard[s] = _hazard(drug, knowledge)
        acts.checkpoint[s] = float(
            any(a.parameter in ("pd1_signal", "ctla4_brake") for t in drug.therapy for a in knowledge.therapies[t].act)
        )
        # Labels: grade 3 colitis or pneumonitis ends CTLA-4 blockade for good; others are held and resumed.
        acts.stops[s] = float("anti_ctla4" in drug.therapy)
        spread[s] = drug.route == "oral"
        if drug.deposit is not None:
            million_per_unit[s, DEPOSITS.index(drug.deposit.state)] = drug.deposit.million_per_unit
        doses[:, s] = daily[:, s]
        for therapy in drug.therapy:
            for act in knowledge.therapies[therapy].act:
                if act.law == "multiply":
                    acts.multiply[s, acted.multiply.index(act.parameter)] *= act.value
                elif act.law == "add":
                    acts.add[s, acted.add.index(act.parameter)] += act.value
                else:
                    # Drugs of two classes with the same pull keep the stronger value.
                    j = acted.saturate.index(act.parameter)
                    acts.saturate[s, j] = max(acts.saturate[s, j], act.value)
                    acts.saturates[s, j] = 1.0
    return Treatment(
        text=regimen.text,
        drugs=regimen.drugs,
        doses=doses,
        spread=spread,
        million_per_unit=million_per_unit,
        acts=acts,
        kinetics=Kinetics(**kinetics),
        clearance_exponent=clearance_exponent,
        acted=acted,
        hill_is_one=all(drug.affinity.hill == 1.0 for drug in knowledge.drugs.values()),
    )

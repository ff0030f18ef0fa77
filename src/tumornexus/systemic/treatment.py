"""From a regimen to tables: doses a day and what each drug does, in the fixed shape that the compiled step expects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tumornexus.biology.pharmacology import Acts
from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Drug, Parameter
from tumornexus.knowledge.regimen import Regimen

SLOTS = 6  # drugs in play at once; more is refused
DEPOSITS = ("blood_car_t", "blood_cd8", "nk")  # states that a dose can add cells to
HORIZON_DAYS = 728  # 104 weeks

# Penetration into tumor per day. Direction from Thurber 2008 (antibodies take days, small molecules hours); the two
# rates are assumed: a half-time of two days and of under two hours.
ANTIBODY_PENETRATION_PER_DAY = 0.35
SMALL_MOLECULE_PENETRATION_PER_DAY = 10.0


@dataclass(frozen=True)
class Treatment:
    """A regimen ready to simulate: `doses` (day, slot) in dose units, `deposits` (day, kind) in Mcell, `acts`."""

    text: str
    drugs: tuple[str, ...]
    doses: np.ndarray
    spread: np.ndarray  # (slot,) True where a day's amount is given in parts (oral)
    deposits: np.ndarray
    acts: Acts
    acted: tuple[str, ...]  # parameters that the columns of `acts` stand for
    upper: tuple[float, ...]  # their upper bounds

    def until(self, days: int) -> Treatment:
        """Return the same treatment cut to the first `days` days."""
        return replace(self, doses=self.doses[:days], deposits=self.deposits[:days])

    def step_doses(self, steps_per_day: int) -> np.ndarray:
        """Return doses a step: (step, slot)."""
        parts = np.zeros((self.doses.shape[0], steps_per_day, SLOTS))
        parts[:, 0, :] = np.where(self.spread, 0.0, self.doses)
        parts += np.where(self.spread, self.doses, 0.0)[:, None, :] / steps_per_day
        return parts.reshape(-1, SLOTS)

    def step_deposits(self, steps_per_day: int) -> np.ndarray:
        """Return cells added a step: (step, kind), in Mcell."""
        parts = np.zeros((self.deposits.shape[0], steps_per_day, len(DEPOSITS)))
        parts[:, 0, :] = self.deposits
        return parts.reshape(-1, len(DEPOSITS))


def _kinetics(drug: Drug) -> dict[str, float]:
    pk = drug.pk
    if pk.model == "effect":
        half_life = pk.effect_half_life_day or 1.0
        return {"k_elim": np.log(2.0) / half_life, "k_out": 0.0, "k_in": 1.0, "nm_per_unit": 1.0}
    volume, clearance = pk.v_central or 1.0, pk.clearance or 1.0
    two = pk.model == "two_compartment" and pk.q and pk.v_peripheral
    # mg to nM: mg/L = g/m3; mg/L over g/mol is mmol/L; times 1e6 gives nM.
    per_mg = 1e3 * 1e3 / (drug.molar_mass_g_per_mol or 1e5) / volume if drug.dose_unit == "mg" else 1.0 / volume
    if drug.dose_unit == "mg" and drug.affinity.unit.replace(" ", "") in ("mg/L", "ug/mL"):
        per_mg = 1.0 / volume
    return {
        "k_elim": clearance / volume,
        "k_out": pk.q / volume if two and pk.q else 0.0,
        "k_in": pk.q / pk.v_peripheral if two and pk.q and pk.v_peripheral else 1.0,
        "nm_per_unit": per_mg * pk.bioavailability,
    }


def is_bounded(parameter: Parameter) -> bool:
    """Return whether a parameter lives in [0, 1]: declared so, or a dimensionless one whose range is within it."""
    return parameter.bounded or (parameter.unit == "1" and parameter.low >= 0.0 and parameter.high <= 1.0)


def acted_parameters(knowledge: Knowledge) -> tuple[str, ...]:
    """Return the parameters that any therapy of the catalogue acts on: the same for every regimen, hence static."""
    addressed = {act.parameter for therapy in knowledge.therapies.values() for act in therapy.act}
    return tuple(name for name in knowledge.parameters if name in addressed)


def untreated(knowledge: Knowledge, horizon_days: int = HORIZON_DAYS) -> Treatment:
    """Return the natural course as a treatment without drugs."""
    return prepare(Regimen("untreated", (), ()), knowledge, horizon_days)


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
    k = len(acted)
    index = {n: i for i, n in enumerate(acted)}
    table = {
        "k_elim": np.full(SLOTS, 1.0), "k_out": np.zeros(SLOTS), "k_in": np.ones(SLOTS), "nm_per_unit": np.ones(SLOTS),
        "penetration_rate": np.ones(SLOTS), "ec50": np.ones(SLOTS), "hill": np.ones(SLOTS),
        "tumor_to_plasma": np.ones(SLOTS), "multiply": np.ones((SLOTS, k)), "add": np.zeros((SLOTS, k)),
        "saturate": np.zeros((SLOTS, k)), "saturates": np.zeros((SLOTS, k)),
    }  # fmt: skip
    deposits = np.zeros((horizon_days, len(DEPOSITS)))
    doses = np.zeros((horizon_days, SLOTS))
    daily = regimen.doses(horizon_days)
    spread = np.zeros(SLOTS, dtype=bool)
    for s, drug in enumerate(drugs):
        for name, value in _kinetics(drug).items():
            table[name][s] = value
        table["ec50"][s], table["hill"][s] = drug.affinity.ec50, drug.affinity.hill
        table["tumor_to_plasma"][s] = drug.affinity.tumor_to_plasma
        heavy = (drug.molar_mass_g_per_mol or 0.0) > 1e4
        table["penetration_rate"][s] = ANTIBODY_PENETRATION_PER_DAY if heavy else SMALL_MOLECULE_PENETRATION_PER_DAY
        spread[s] = drug.route == "oral"
        if drug.deposit is not None:
            deposits[:, DEPOSITS.index(drug.deposit.state)] += daily[:, s] * drug.deposit.million_per_unit
        doses[:, s] = daily[:, s]
        for therapy in drug.therapy:
            for act in knowledge.therapies[therapy].act:
                j = index[act.parameter]
                if act.law == "multiply":
                    table["multiply"][s, j] *= act.value
                elif act.law == "add":
                    table["add"][s, j] += act.value
                else:
                    # Drugs of two classes with the same pull keep the stronger value.
                    table["saturate"][s, j] = max(table["saturate"][s, j], act.value)
                    table["saturates"][s, j] = 1.0
    return Treatment(
        text=regimen.text,
        drugs=regimen.drugs,
        doses=doses,
        spread=spread,
        deposits=deposits,
        acts=Acts(**table),
        acted=acted,
        upper=tuple(1.0 if is_bounded(knowledge.parameters[n]) else float("inf") for n in acted),
    )

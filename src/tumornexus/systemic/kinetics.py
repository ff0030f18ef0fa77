"""Pharmacokinetics of a drug's record: rates for the simulator, and the full plasma curve within each day.

The simulator gives an intravenous dose at once at the start of its day, and spreads the day's amount of an oral drug
evenly over that day: absorption takes hours, the simulator looks at days. By linearity the mean concentration of a
day at steady state is the same either way. `plasma_curve` keeps every detail of the record (lag, absorption,
infusion) and is what is compared with published curves and shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from tumornexus.biology.drug_action import occupancy
from tumornexus.biology.pharmacology import Kinetics, propagate
from tumornexus.errors import InputError
from tumornexus.knowledge.records import PK, Drug
from tumornexus.knowledge.regimen import Regimen


def per_mass_concentration(drug: Drug) -> float:
    """Return how many units of the drug's EC50 (nM, or mg/L) one dose unit per liter is."""
    if drug.dose_unit != "mg" or drug.affinity.unit.replace(" ", "") in ("mg/L", "ug/mL"):
        return 1.0
    # mg/L over g/mol is mmol/L; times 1e6 gives nM.
    return 1e6 / (drug.molar_mass_g_per_mol or 1e5)


def kinetics_of(drug: Drug) -> dict[str, float]:
    """Return the rates of `biology.pharmacology.Kinetics` for one drug, by field name.

    Amounts are dose units as given: bioavailability F is in `nm_per_unit`, so that A stands for F A in the body, and
    vmax/F and km/F stand for vmax and km. An effect model has one compartment that decays with its half-life.
    """
    pk = drug.pk
    rates = {
        "k_out": 0.0, "k_in": 0.0, "nm_per_unit": 1.0, "cl_log_change": 0.0, "cl_t50_day": 1.0, "cl_hill": 1.0,
        "vmax": 0.0, "km": 1.0,
    }  # fmt: skip
    if pk.model == "effect":
        assert pk.effect_half_life_day is not None
        return {"k_elim": float(np.log(2.0)) / pk.effect_half_life_day, **rates}
    assert pk.v_central is not None
    rates["nm_per_unit"] = per_mass_concentration(drug) * pk.bioavailability / pk.v_central
    if pk.q is not None and pk.v_peripheral is not None:
        rates["k_out"], rates["k_in"] = pk.q / pk.v_central, pk.q / pk.v_peripheral
    if pk.clearance_log_change is not None and pk.clearance_t50_day is not None and pk.clearance_hill is not None:
        rates["cl_log_change"] = pk.clearance_log_change
        rates["cl_t50_day"], rates["cl_hill"] = pk.clearance_t50_day, pk.clearance_hill
    if pk.vmax_per_day is not None and pk.km_per_l is not None:
        rates["vmax"] = pk.vmax_per_day / pk.bioavailability
        rates["km"] = pk.km_per_l * pk.v_central / pk.bioavailability
    return {"k_elim": (pk.clearance or 0.0) / pk.v_central, **rates}


def log_sd_clearance(drug: Drug) -> float:
    """Return the between-patient standard deviation of ln clearance, sqrt(ln(1 + CV^2)).

    0 where the record has no CV, and for an effect model, whose half-life is not that of the drug in plasma.
    """
    cv = 0.0 if drug.pk.model == "effect" else drug.pk.cv_clearance or 0.0
    return float(np.sqrt(np.log1p(cv**2)))


STEPS_PER_DAY = 4  # of `effect_days`


@jax.jit
def _effect_days(
    kinetics: Kinetics, bolus: jax.Array, rate: jax.Array, drug: jax.Array, window: jax.Array
) -> jax.Array:
    """Return the integral of `effect_days`; `bolus`, `rate` (step,), `drug` EC50 and Hill exponent."""
    dt = 1.0 / STEPS_PER_DAY

    def step(amounts: jax.Array, inputs: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        k, dose, taken = inputs
        given = amounts.at[0, 0, 0].add(dose)
        after, mean = propagate(kinetics, given, k * dt, dt, taken[None, None], jnp.ones(1))
        effect = occupancy(mean[0, 0, 0] * kinetics.nm_per_unit[0], drug[0], drug[1])
        return after, effect * jnp.exp(-(k + 0.5) * dt / window) * dt

    steps = jnp.arange(len(bolus), dtype=float)
    return jnp.sum(jax.lax.scan(step, jnp.zeros((1, 2, 1)), (steps, bolus, rate))[1])


def effect_days(drug: Drug, regimen: Regimen, window_day: float) -> float:
    """Return the days of full effect in plasma that a regimen gives within a window, early days counting more.

    The integral over `window_day` of exp(-t / window) E(C), E the effect at the mean concentration of each quarter of a
    day and t from the first dose: what the recorded risk of severe events is divided by.
    """
    daily = regimen.doses(int(window_day))[:, regimen.drugs.index(drug.id)]
    daily = daily[int(np.argmax(daily > 0.0)) :]
    first_quarter = np.arange(len(daily) * STEPS_PER_DAY) % STEPS_PER_DAY == 0
    amount, oral = np.repeat(daily, STEPS_PER_DAY), drug.route == "oral"
    with jax.enable_x64(True):
        kinetics = Kinetics(**{name: jnp.array([value]) for name, value in kinetics_of(drug).items()})
        parts = np.where(first_quarter & (not oral), amount, 0.0), amount * oral
        own = np.array([drug.affinity.ec50, drug.affinity.hill])
        return float(_effect_days(kinetics, *parts, own, np.asarray(float(window_day))))


def administrations(regimen: Regimen, drug: str, horizon_day: int) -> np.ndarray:
    """Return each time and amount at which a drug is given: (dose, 2), days and dose units.

    Doses of one day are spaced evenly from its start: twice daily is at 0 and 12 hours.
    """
    rows: list[tuple[float, float]] = []
    for c in (c for c in regimen.components if c.drug == drug):
        days, per_day = c.days(horizon_day), c.schedule.per_day
        rows += [(day + i / per_day, c.amount) for day in days.tolist() for i in range(per_day)]
        if c.loading_amount is not None and days.size:
            rows[len(rows) - days.size * per_day] = (float(days[0]), c.loading_amount)
    return np.array(sorted(rows)).reshape(-1, 2)


def plasma_curve(drug: Drug, doses: ArrayLike, times_day: ArrayLike, *, clearance_factor: float = 1.0) -> np.ndarray:
    """Return the concentration in plasma at given times, in dose units per liter (mg/L): the shape of `times_day`.

    Equations in `knowledge.records.PK`. Between the start and the end of inputs the system is solved by the matrix
    exponential where its coefficients are constant, else by an adaptive solver to 1e-10.

    Args:
        drug: the record; an effect model needs plasma values (`v_central`).
        doses: rows of time (day) and amount (dose units), such as `administrations` gives; the first dose starts the
            clock of time-varying clearance.
        times_day: times of interest, any order; a dose that enters at once counts from its own time on.
        clearance_factor: this patient's linear clearance over the typical one.

    Raises:
        InputError: the record has no plasma kinetics.
    """
    pk = drug.pk
    if pk.v_central is None:
        raise InputError("has no plasma kinetics", field=f"{drug.id}.pk.v_central", valid="a record with v_central")
    times = np.asarray(times_day, dtype=float)
    given = np.asarray(doses, dtype=float).reshape(-1, 2)
    if not given.size:
        return np.zeros(times.shape)
    body = _Body(pk, clearance_factor, float(given[:, 0].min()))
    starts = given[:, 0] + pk.lag_day
    amounts = given[:, 1] * pk.bioavailability
    stops = starts + pk.input_day
    edges = np.unique(np.concatenate([starts, stops]))
    wanted = np.unique(times)
    out = np.zeros(wanted.shape)
    state = np.zeros(4)
    for i, begin in enumerate(edges):
        end = edges[i + 1] if i + 1 < edges.size else np.inf
        if pk.input_day == 0.0:
            state[body.entry] += amounts[starts == begin].sum()
            rate = 0.0
        else:
            rate = amounts[(starts <= begin) & (stops > begin)].sum() / pk.input_day
        here = (wanted >= begin) & (wanted < end)
        stations = wanted[here] if np.isinf(end) else np.append(wanted[here], end)
        states = body.follow(state, rate, float(begin), stations)
        out[here] = states[: int(here.sum()), 1] / pk.v_central
        if not np.isinf(end):
            state = states[-1]
    return out[np.searchsorted(wanted, times)]


@dataclass(frozen=True)
class _Body:
    """The compartments of one patient: (gut or depot, central, peripheral, deep), amounts in dose units."""

    pk: PK
    clearance_factor: float
    first_day: float

    @property
    def k_elim(self) -> float:
        """Linear elimination per day at the first dose."""
        return (self.pk.clearance or 0.0) * self.clearance_factor / (self.pk.v_central or 1.0)

    @property
    def entry(self) -> int:
        """Compartment that a dose enters."""
        return 0 if self.pk.ka_per_day else 1

    def matrix(self) -> np.ndarray:
        """Return the linear part of dA/dt = M A + ..., with the clearance of the first dose."""
        pk, ka = self.pk, self.pk.ka_per_day or 0.0
        m = np.zeros((4, 4))
        m[0, 0], m[1, 0], m[1, 1] = -ka, ka, -self.k_elim
        if pk.q is not None and pk.v_peripheral is not None and pk.v_central is not None:
            k_out, k_in = pk.q / pk.v_central, pk.q / pk.v_peripheral
            m[1, 1] -= k_out
            m[1, 2], m[2, 1], m[2, 2] = k_in, k_out, -k_in
        return m

    def follow(self, state: np.ndarray, rate: float, begin: float, stations: np.ndarray) -> np.ndarray:
        """Return the amounts at each of the ascending `stations` under a constant input rate: (station, 4)."""
        pk = self.pk
        if not stations.size or stations[-1] == begin:
            return np.tile(state, (stations.size, 1))
        if pk.clearance_log_change is None and pk.vmax_per_day is None and pk.deep_v is None:
            extended = np.zeros((5, 5))
            extended[:4, :4], extended[self.entry, 4] = self.matrix(), rate
            # Evenly spaced times need one exponential; a rounding of 1e-12 day is no time at all.
            lengths, which = np.unique(np.round(np.diff(stations, prepend=begin), 12), return_inverse=True)
            over = expm(extended * lengths[:, None, None])
            now, out = np.append(state, 1.0), np.zeros((stations.size, 4))
            for i, j in enumerate(which):
                now = over[j] @ now
                out[i] = now[:4]
            return out
        return self.integrate(state, rate, begin, stations)

    def integrate(self, state: np.ndarray, rate: float, begin: float, stations: np.ndarray) -> np.ndarray:
        """Return the same where clearance changes with time or amount."""
        pk, linear, k_elim, v1 = self.pk, self.matrix(), self.k_elim, self.pk.v_central or 1.0

        def derivative(t: float, a: np.ndarray) -> np.ndarray:
            out = linear @ a
            out[self.entry] += rate
            c = max(a[1], 0.0) / v1
            if pk.clearance_log_change is not None and pk.clearance_t50_day and pk.clearance_hill:
                power = (max(t - self.first_day, 0.0) / pk.clearance_t50_day) ** pk.clearance_hill
                out[1] -= k_elim * np.expm1(pk.clearance_log_change * power / (1.0 + power)) * a[1]
            if pk.vmax_per_day is not None and pk.km_per_l is not None:
                out[1] -= pk.vmax_per_day * c / (pk.km_per_l + c)
            if pk.deep_v is not None and pk.deep_vmax_per_day is not None and pk.deep_km_per_l is not None:
                deep = max(a[3], 0.0) / pk.deep_v
                flow = pk.deep_vmax_per_day * (c / (pk.deep_km_per_l + c) - deep / (pk.deep_km_per_l + deep))
                out[1], out[3] = out[1] - flow, out[3] + flow
            return out

        solution = solve_ivp(
            derivative, (begin, float(stations[-1])), state, "LSODA", t_eval=stations, rtol=1e-10, atol=1e-12
        )
        return solution.y.T

"""Compare the plasma concentration of every drug with published kinetics against the published equations.

    python verification/pk.py [--out FOLDER]

The published numbers are typed here with their sources and integrated by `published_curve`, which shares no code and no
number with the package. Against it stand, for the usual regimen over 24 weeks:

* ``simulator``: what ensembles are simulated with, `biology.pharmacology.propagate` in steps of one day: concentration
  at the end of each day and its mean over the day. For oral drugs, whose dose the simulator spreads over the day, the
  daily means of the last four weeks.
* ``plasma curve``: `systemic.kinetics.plasma_curve` at every hour (every quarter of an hour for drugs that are gone
  within days), with absorption, lag and infusion.

Writes ``pk.tsv`` (largest relative difference where the published concentration is above 1 % of its maximum; limit
10 %), ``pk_labels.tsv`` (half-life, clearance, volume and peak against labels, with the reason of each difference),
``pk.png``, and exits with 1 where a drug is out of the limit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.integrate import solve_ivp

from tumornexus.biology.pharmacology import Kinetics, propagate
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.knowledge.records import Drug
from tumornexus.systemic.kinetics import administrations, kinetics_of, per_mass_concentration, plasma_curve

mpl.use("Agg")
import matplotlib.pyplot as plt

DAYS = 168
LIMIT = 0.1
HOUR = 1.0 / 24.0


@dataclass(frozen=True)
class Published:
    """A published model: volumes L, clearances L/day, amounts mg, times days; doses as (first day, every, mg)."""

    drug: str
    source: str
    checked: str  # "read" or "memory", as in the table of facts; what is neither stands in words
    doses: tuple[tuple[float, float, float], ...]
    v1: float
    cl: float = 0.0
    v2: float = 1.0
    q: float = 0.0
    log_change: float = 0.0
    t50: float = 1.0
    gamma: float = 1.0
    vmax: float = 0.0
    km: float = 1.0
    v3: float = 1.0
    vmax_t: float = 0.0
    km_t: float = 1.0
    ka: float | None = None
    lag: float = 0.0
    duration: float = 0.0
    f: float = 1.0
    on: tuple[int, int] | None = None  # given on the first of so many days
    count: int | None = None  # doses in all


NLMIXR = "as coded in nlmixr2lib"
PUBLISHED = (
    Published("nivolumab", f"Zhao 2025 Table S2, {NLMIXR}", "read", ((0, 14, 240),), cl=0.262, v1=4.25, v2=2.63,
              q=0.785, log_change=-0.303, t50=58.3, gamma=2.82),
    Published("pembrolizumab", f"Ahamadi 2017 Table 3, {NLMIXR}", "read", ((0, 21, 200),), cl=0.22, v1=3.48, v2=4.06,
              q=0.795),
    Published("atezolizumab", f"FDA BLA 761041 in Zeng 2026, {NLMIXR}", "read", ((0, 21, 1200),), cl=0.23, v1=3.25,
              v2=2.88, q=0.603, log_change=-0.193, t50=62.8, gamma=2.67),
    Published("durvalumab", f"Baverel 2018 in de Vries 2025, {NLMIXR}", "read", ((0, 28, 1500),), cl=0.232, v1=3.51,
              v2=3.45, q=0.476, vmax=0.824, km=0.344),
    Published("ipilimumab", f"Feng 2014, {NLMIXR}", "read", ((0, 21, 3 * 75),), cl=0.36, v1=4.15, v2=3.11, q=0.986,
              count=4),
    Published("tremelimumab", f"clearance Wang 2014 via QSPIO; volumes Hwang 2022 Table 3, {NLMIXR}", "read",
              ((0, DAYS, 300),), cl=0.328, v1=3.64, v2=2.40, q=0.357),
    Published("relatlimab", "OPDUALAG label", "memory", ((0, 28, 160),), cl=0.132, v1=6.6),
    Published("bevacizumab", f"Han 2016, {NLMIXR}", "read", ((0, 21, 15 * 75),), cl=0.206, v1=2.68, v2=2.42, q=0.446),
    Published("dabrafenib", f"Balakirouchenane 2020 Table 2, {NLMIXR}", "read", ((0, 1, 150), (0.5, 1, 150)),
              cl=19.3 * 24, v1=39.1, v2=18.7, q=3.40 * 24, ka=1.8 * 24, lag=0.5 * HOUR),
    Published("trametinib", f"Balakirouchenane 2020 Table 3, {NLMIXR}", "read", ((0, 1, 2),), cl=5.83 * 24, v1=61.9,
              v2=417.0, q=64.9 * 24, ka=0.913 * 24, lag=0.71 * HOUR),
    Published("pexidartinib", f"Yin 2020 Table 2, {NLMIXR}", "read", ((0, 1, 250), (0.5, 1, 250)), cl=5.83 * 24,
              v1=98.0, v2=116.0, q=20.7 * 24, ka=6.82 * 24, lag=0.387 * HOUR, duration=1.22 * HOUR),
    Published("alpelisib", "PIQRAY label", "memory; absorption 1/h assumed", ((0, 1, 300),), cl=9.2 * 24, v1=114.0,
              ka=24.0),
    # Clearance and volume of vorinostat are those that half-life 2 h, F 0.43 and 6 uM h after 400 mg imply.
    Published("vorinostat", "ZOLINZA label", "memory; absorption 1/h assumed", ((0, 1, 400),), f=0.43,
              cl=0.43 * 400 / (6.0 * 264.3e-3) * 24, v1=0.43 * 400 / (6.0 * 264.3e-3) * 2.0 / np.log(2.0), ka=24.0),
    Published("azacitidine", "VIDAZA label; half-lives Marcucci 2005", "memory; half-lives read", ((0, 1, 75 * 1.9),),
              f=0.89, cl=146 * 24, v1=76.0, ka=np.log(2.0) / (41 / 60 / 24), on=(7, 28)),
    Published("carboplatin", "PARAPLATIN label", "memory; 1 h infusion assumed", ((0, 21, 5 * (90 + 25)),),
              cl=4.4 * 24, v1=16.0, duration=HOUR, count=4),
    Published("pemetrexed", f"Cao 2022 Table 2, {NLMIXR}", "read", ((0, 21, 500 * 1.9),), cl=8.29 * 24, v1=18.9,
              v2=5.12, q=0.10 * 24, duration=HOUR / 4),
    Published("paclitaxel", f"clearance TAXOL label; volumes Sun 2025 Table 2, {NLMIXR}", "memory; volumes read",
              ((0, 21, 200 * 1.9),), cl=12.2 * 1.9 * 24, v1=34.08, v2=67.67, q=4.2 * 24, duration=3 * HOUR, count=4),
    Published("nab_paclitaxel", "Chen 2014 as coded in QSPIO-TNBC", "read; 30 min infusion assumed",
              ((0, 28, 190), (7, 28, 190), (14, 28, 190)), v1=15.8, v2=75.4, q=41.6 * 24, vmax=8.07 * 24, km=0.0402,
              v3=1650.0, vmax_t=325.0 * 24, km_t=4.26, duration=HOUR / 2),
)  # fmt: skip

NO_CURVE = {
    "tiragolumab": "values dropped from the facts as not verifiable",
    "entinostat": "only inhibitory concentrations",
    "galunisertib": "only dose and IC50",
    "navarixin": "only dose and marker",
    "epacadostat": "only a half-life, checked under labels",
    "axicabtagene, satricabtagene, TIL, T-VEC": "living agents: only doses",
    "tisagenlecleucel": "cell kinetics: `stein2019_curve`, for the CAR-T model",
}


def published_doses(model: Published) -> list[tuple[float, float]]:
    """Return (day, mg) of all doses within the horizon."""
    days = [
        (start + i * every, amount) for start, every, amount in model.doses for i in range(int(np.ceil(DAYS / every)))
    ]
    if model.on is not None:
        days = [(t, a) for t, a in days if t % model.on[1] < model.on[0]]
    return sorted((t, a) for t, a in days if t < DAYS)[: model.count]


def published_curve(model: Published, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return concentration (mg/L) at ascending times, doses at such a time not yet given, and its integral to there.

    Concentrations, not amounts, and hence another form of the equations than the package's.
    """
    m, filling = model, model.duration > 0.0
    pulses = [(t + m.lag, t + m.lag + m.duration, a * m.f) for t, a in published_doses(m)]
    edges = np.unique(np.array([0.0, *(p[0] for p in pulses), *(p[1] for p in pulses), times[-1]]))
    y, c, area = np.zeros(5), np.zeros(times.size), np.zeros(times.size)
    for begin, end in pairwise(edges):
        rate = sum(a / m.duration for on, off, a in pulses if on <= begin < off) if filling else 0.0
        if not filling:
            dose = sum(a for on, _, a in pulses if on == begin)
            y[0 if m.ka else 1] += dose if m.ka else dose / m.v1

        def slope(t: float, y: np.ndarray, rate: float = rate) -> np.ndarray:
            gut, c1, c2, c3, _ = y
            cl = m.cl * np.exp(m.log_change * t**m.gamma / (m.t50**m.gamma + t**m.gamma))
            absorbed = (m.ka or 0.0) * gut
            deep = m.vmax_t * (c1 / (m.km_t + c1) - c3 / (m.km_t + c3))
            return np.array([
                (rate if m.ka else 0.0) - absorbed,
                (absorbed + (0.0 if m.ka else rate) - (cl + m.vmax / (m.km + c1)) * c1 - m.q * (c1 - c2) - deep) / m.v1,
                m.q * (c1 - c2) / m.v2, deep / m.v3, c1,
            ])  # fmt: skip

        here = (times > begin) & (times <= end)
        stations = np.unique(np.append(times[here], end))
        solved = solve_ivp(slope, (begin, end), y, "LSODA", t_eval=stations, rtol=1e-9, atol=1e-12).y
        c[here], area[here] = solved[1, : here.sum()], solved[4, : here.sum()]
        y = solved[:, -1]
    return c, area


def stein2019_curve(time_day: np.ndarray) -> np.ndarray:
    """Return transgene copies per ug DNA in blood after one infusion of tisagenlecleucel, typical patient.

    R0 e^(rho t) up to Tmax, then Cmax ((1 - FB) e^(-alpha (t - Tmax)) + FB e^(-beta (t - Tmax))), rho = ln(fold)/Tmax.
    Stein 2019 (CPT Pharmacometrics Syst Pharmacol, doi 10.1002/psp4.12388) Table 1, read as coded in nlmixr2lib. The
    reference for the CAR-T model, blood effector plus memory cells; nothing here depends on it.
    """
    fold, t_max, c_max, alpha, fb, beta = 3900.0, 9.3, 24000.0, 0.16, 0.0079, 0.0032
    after = np.maximum(time_day - t_max, 0.0)
    falling = c_max * ((1.0 - fb) * np.exp(-alpha * after) + fb * np.exp(-beta * after))
    return np.where(time_day < t_max, c_max * fold ** (np.minimum(time_day, t_max) / t_max - 1.0), falling)


def simulated(drug: Drug, daily: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return concentration (mg/L) at the end of each day and its mean over the day, as the simulator steps."""
    rates = kinetics_of(drug)
    with jax.enable_x64(True):
        kinetics = Kinetics(**{name: jnp.asarray([value]) for name, value in rates.items()})
        oral = drug.route == "oral"

        def day(amounts: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            t, dose = at
            bolus, spread = (0.0, dose) if oral else (dose, 0.0)
            after, mean = propagate(
                kinetics, amounts.at[0, 0].add(bolus), t, 1.0, jnp.full((1, 1), spread), jnp.ones(1)
            )
            return after, (after[0, 0, 0], mean[0, 0, 0])

        steps = (jnp.arange(daily.size, dtype=float), jnp.asarray(daily))
        _, (ends, means) = jax.lax.scan(day, jnp.zeros((1, 2, 1)), steps)
    to_mg_per_l = rates["nm_per_unit"] / per_mass_concentration(drug)
    return np.asarray(ends) * to_mg_per_l, np.asarray(means) * to_mg_per_l


def apart(ours: np.ndarray, theirs: np.ndarray, times: np.ndarray, floor: float) -> tuple[float, float]:
    """Return the largest relative difference where the published value is above the floor, and its time."""
    off = np.where(theirs > floor, np.abs(ours / np.maximum(theirs, floor) - 1.0), 0.0)
    return float(off.max()), float(times[off.argmax()])


def terminal_half_life(drug: Drug, change: float = 0.0) -> float:
    """Return ln 2 over the smaller eigenvalue of the record's linear compartments, days."""
    pk = drug.pk
    assert pk.clearance is not None
    assert pk.v_central is not None
    out, back = (pk.q / pk.v_central, pk.q / pk.v_peripheral) if pk.q and pk.v_peripheral else (0.0, 0.0)
    k = np.array([[pk.clearance * np.exp(change) / pk.v_central + out, -back], [-out, back]])
    rates = np.linalg.eigvals(k[:1, :1] if not out else k)
    return float(np.log(2.0) / rates.real.min())


def label_checks(knowledge: Knowledge, curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Return what labels and papers say of a drug beside what our records give; ranges by their ends."""
    drugs = knowledge.drugs
    rows: list[tuple[str, str, str, float, float, float, str, str]] = []

    def say(drug: str, what: str, unit: str, ours: float, low: float, high: float, checked: str, why: str) -> None:
        rows.append((drug, what, unit, ours, low, high, checked, why))

    def both(drug: str, why: str, cl: float, volume: float, half_life: float, checked: str = "memory") -> None:
        pk = drugs[drug].pk
        late = pk.clearance_log_change or 0.0
        say(drug, "clearance at steady state", "L/day", (pk.clearance or 0.0) * np.exp(late), cl, cl, checked, why)
        say(drug, "volume at steady state", "L", (pk.v_central or 0.0) + (pk.v_peripheral or 0.0), volume, volume,
            checked, why)  # fmt: skip
        say(drug, "half-life", "day", terminal_half_life(drugs[drug], late), half_life, half_life, checked, why)

    both("nivolumab", "", 0.197, 6.8, 25.0, "read; half-life memory")
    both("atezolizumab", "record: man of 77 kg without antidrug antibody; label: mean over patients", 0.20, 6.9, 27.0)
    both("tremelimumab", "record: clearance of a systems model; Hwang 2022, monotherapy: 0.276 rising to this",
         0.276 * np.exp(0.151), 3.64 + 2.40, 18.0, "read")  # fmt: skip
    both("ipilimumab", "record: Feng 2014; label: another data set", 16.8e-3 * 24, 7.47, 15.4)
    both("relatlimab", "the label's half-life is an effective one: its own clearance and volume give 35 days in one "
         "compartment", 0.132, 6.6, 26.2)  # fmt: skip
    say("pembrolizumab", "clearance at steady state", "L/day", drugs["pembrolizumab"].pk.clearance or 0.0, 0.195, 0.195,
        "memory", "Ahamadi 2017 holds clearance constant; the label gives its late value")  # fmt: skip
    for drug, low, high, checked, why in (
        ("pembrolizumab", 22.0, 22.0, "memory", "Ahamadi 2017: 7.5 L, 0.22 L/day; the label's volume must be smaller"),
        ("durvalumab", 18.0, 18.0, "memory", "linear part alone; Baverel 2018: 7.0 L, 0.232 L/day"),
        ("bevacizumab", 20.0, 20.0, "memory", ""),
        ("dabrafenib", 8 * HOUR, 8 * HOUR, "memory",
         "Balakirouchenane 2020 is fitted to sparse samples within the interval, where a late phase hardly shows"),
        ("trametinib", 3.9, 4.8, "memory",
         "Balakirouchenane 2020 is fitted to sparse samples within the interval, where a phase of days hardly shows"),
        ("pexidartinib", 26.6 * HOUR, 26.6 * HOUR, "memory", ""),
        ("alpelisib", 8 * HOUR, 9 * HOUR, "memory", ""),
        ("vorinostat", 2 * HOUR, 2 * HOUR, "memory", ""),
        ("carboplatin", 2.6 * HOUR, 5.9 * HOUR, "memory", "label gives 4.4 L/h and 16 L, hence 2.5 h"),
        ("pemetrexed", 3.5 * HOUR, 3.5 * HOUR, "memory",
         "Cao 2022 has a second compartment of slow exchange that holds little; the first day falls with 1.6 h"),
        ("paclitaxel", 13 * HOUR, 53 * HOUR, "memory", ""),
        ("epacadostat", 2.9 * HOUR, 2.9 * HOUR, "memory", ""),
    ):  # fmt: skip
        say(drug, "half-life", "day", terminal_half_life(drugs[drug]), low, high, checked, why)
    say("azacitidine", "half-life, subcutaneous", "day", np.log(2.0) / (drugs["azacitidine"].pk.ka_per_day or 1.0),
        41 / 60 * HOUR, 41 / 60 * HOUR, "read", "")  # fmt: skip
    say("azacitidine", "half-life, intravenous", "day", terminal_half_life(drugs["azacitidine"]), 22 / 60 * HOUR,
        22 / 60 * HOUR, "read", "")  # fmt: skip
    say("azacitidine", "apparent clearance, subcutaneous", "L/day",
        (drugs["azacitidine"].pk.clearance or 0.0) / drugs["azacitidine"].pk.bioavailability, 167 * 24, 167 * 24,
        "memory", "")  # fmt: skip
    say("pexidartinib", "apparent clearance", "L/day", drugs["pexidartinib"].pk.clearance or 0.0, 5.1 * 24, 5.1 * 24,
        "memory", "record: man of 80 kg of Yin 2020, where women have 0.87 of it, 122 L/day")  # fmt: skip
    pemetrexed = drugs["pemetrexed"].pk
    say("pemetrexed", "clearance", "L/day", pemetrexed.clearance or 0.0, 91.8e-3 * 1440, 91.8e-3 * 1440, "memory",
        "Cao 2022 finds a higher clearance (8.29 against 5.5 L/h)")  # fmt: skip
    say("pemetrexed", "volume at steady state", "L", (pemetrexed.v_central or 0.0) + (pemetrexed.v_peripheral or 0.0),
        16.1, 16.1, "memory", "Cao 2022: one to three samples a patient")  # fmt: skip
    paclitaxel = drugs["paclitaxel"].pk
    say("paclitaxel", "volume at steady state", "L",
        (paclitaxel.v_central or 0.0) + (paclitaxel.v_peripheral or 0.0), 227 * 1.9, 688 * 1.9, "memory",
        "the deep compartment behind the label's volume is left out; the record follows the first day")  # fmt: skip
    say("carboplatin", "AUC of AUC5", "mg min/mL", 575.0 / (drugs["carboplatin"].pk.clearance or 1.0) * 1.44, 5.0, 5.0,
        "memory", "label 4.4 L/h against the 6.9 L/h that Calvert's rule supposes at GFR 90")  # fmt: skip
    peaks = (
        ("vorinostat", "peak", "uM", 1e3 / 264.3, 1.2, 1.2, "memory", ""),
        ("azacitidine", "peak", "ng/mL", 1e3, 750 - 403, 750 + 403, "read", "mean and one standard deviation"),
        ("alpelisib", "time of peak", "h", None, 2.0, 4.0, "read", ""),
    )
    for drug, what, unit, factor, low, high, checked, why in peaks:
        times, ours = curves[drug]
        first = times < 1.0
        value = float(ours[first].max() * factor) if factor else float(times[first][ours[first].argmax()] * 24.0)
        say(drug, what, unit, value, low, high, checked, why)
    columns = ["drug", "quantity", "unit", "ours", "published_low", "published_high", "checked", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    nearest = table["ours"].clip(table["published_low"], table["published_high"])
    table.insert(6, "difference", table["ours"] / nearest - 1.0)
    table["reason"] = table["reason"].where(table["difference"].abs() > LIMIT, "")
    return table.sort_values("drug", kind="stable")


def main() -> None:
    """Write tables and figure; exit with 1 where a drug is out of the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    knowledge = load_knowledge()
    rows: list[tuple[str, str, str, str, str, float, float, bool]] = []
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    columns = 4
    panels = len(PUBLISHED) + 1
    figure, grid = plt.subplots(-(-panels // columns), columns, figsize=(12, 2.3 * -(-panels // columns)),
                                layout="constrained", squeeze=False)  # fmt: skip
    whole = np.arange(1.0, DAYS + 1.0)
    for axes, model in zip(grid.flat, PUBLISHED, strict=False):
        drug = knowledge.drugs[model.drug]
        regimen = parse_regimen(drug.usual, knowledge)
        doses = administrations(regimen, drug.id, DAYS)
        antibody = (drug.molar_mass_g_per_mol or 0.0) > 1e4
        every = 1 / 24 if antibody else 1 / 96
        # Off the doses, so that "before" and "after" a dose at once are not confused.
        times = np.arange(every / 2, DAYS, every)
        both, area = published_curve(model, np.union1d(times, whole))
        at = np.union1d(times, whole)
        theirs, ends = both[np.isin(at, times)], both[np.isin(at, whole)]
        means = np.diff(area[np.isin(at, whole)], prepend=0.0)
        ours = plasma_curve(drug, doses, times)
        curves[drug.id] = times, ours

        def judge(
            compared: str, worst: Iterable[tuple[float, float]], usual: str = drug.usual, model: Published = model
        ) -> None:
            off, when = max(worst)
            rows.append((model.drug, usual, compared, model.source, model.checked, off, when, off <= LIMIT))

        judge("plasma curve", [apart(ours, theirs, times, 0.01 * theirs.max())])
        long = antibody
        shown = slice(None) if long else slice(0, int((4.0 if drug.route == "oral" else 2.0) / every))
        axes.plot(times[shown], theirs[shown], color="0.7", lw=4, label="published equations")
        axes.plot(times[shown], ours[shown], color="C0", lw=1, label="plasma curve")
        if drug.pk.model != "effect":
            our_ends, our_means = simulated(drug, regimen.doses(DAYS)[:, 0])
            if drug.route == "oral":
                settled = slice(-28, None)
                judge("simulator", [apart(our_means[settled], means[settled], whole[settled], 0.01 * means.max())])
                axes.stairs(our_means[:4], np.arange(5.0), color="C1", lw=1, baseline=None, label="simulator, daily")
            else:
                floor = 0.01 * theirs.max()
                judge("simulator", [apart(our_ends, ends, whole, floor), apart(our_means, means, whole, floor)])
                axes.plot(whole, our_ends, "C1.", ms=2, label="simulator, end of day")
        axes.set_title(f"{drug.usual}\n{model.source.removesuffix(f', {NLMIXR}')}", fontsize=6)
        axes.tick_params(labelsize=6)
        if drug.pk.model == "effect":
            axes.set_yscale("log")
            axes.set_ylim(1e-3 * theirs.max(), 2.0 * theirs.max())
    car_t = grid.flat[len(PUBLISHED)]
    car_t.plot(np.linspace(0.0, DAYS, 1000), stein2019_curve(np.linspace(0.0, DAYS, 1000)), color="0.7", lw=4)
    car_t.set_yscale("log")
    car_t.set_title("tisagenlecleucel, copies/ug DNA\nStein 2019: reference for the CAR-T model", fontsize=6.5)
    car_t.tick_params(labelsize=6)
    for axes in grid.flat[panels:]:
        axes.set_axis_off()
    seen = {name: line for axes in grid.flat for line, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    grid.flat[-1].legend(seen.values(), seen.keys(), frameon=False, fontsize=8, loc="center")
    figure.supxlabel("Day", fontsize=8)
    figure.supylabel("Plasma concentration (mg/L)", fontsize=8)
    figure.savefig(out / "pk.png", dpi=140)

    table = pd.DataFrame(rows, columns=["drug", "regimen", "compared", "source", "checked",
                                        "largest_relative_difference", "at_day", "within_10_percent"])  # fmt: skip
    table.to_csv(out / "pk.tsv", sep="\t", index=False, float_format="%.3g")
    labels = label_checks(knowledge, curves)
    labels.to_csv(out / "pk_labels.tsv", sep="\t", index=False, float_format="%.4g")
    print(table.drop(columns=["source", "regimen"]).to_string(index=False, float_format=lambda x: f"{x:.2g}"))
    print("\nNo plasma curve to compare:")
    for name, why in NO_CURVE.items():
        print(f"  {name}: {why}")
    print("\nAgainst labels and single facts:")
    print(labels.drop(columns=["reason"]).to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    print(out / "pk.tsv", out / "pk_labels.tsv", out / "pk.png", sep="\n")
    failed = table[~table["within_10_percent"]]
    if len(failed):
        sys.exit(f"out of 10 %: {', '.join(failed['drug'] + ' ' + failed['compared'])}")


if __name__ == "__main__":
    main()

"""Responses in a virtual trial: waterfall, spider and swimmer plots, a panel or group for each arm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tumornexus.report.figures.nodes import empty_scene
from tumornexus.report.figures.trial_parts import (
    RESPONSE_COLORS,
    WIDE,
    arm_mark,
    change_axis,
    months_axis,
    panels,
    response_key,
)
from tumornexus.report.scene import Axis, Scene
from tumornexus.report.style import CRIMSON, INK, MUTED, PAPER, RULE, TRACK
from tumornexus.report.trial_view import PROGRESSED, RESPONSES, TrialArm, TrialView
from tumornexus.report.words import DAYS_PER_MONTH

HIGHEST = 100.0  # percent; what grows more is drawn to the edge
SPIDERS, SWIMMERS, FEWEST = 40, 36, 4  # lines in a panel, rows in all, rows of an arm
_THIN = 1.1  # px of the thinnest bar
_ORDER = {name: i for i, name in enumerate(reversed(RESPONSES))}


def waterfall_figure(view: TrialView) -> Scene:
    """Best change of each patient's sum of diameters, largest growth first, by best response.

    Where there are more patients than room for bars, each bar is a patient at an even step of the order.
    """
    title = "Best change of the sum of target diameters"
    width, height, places = panels(view, 266.0, 8.0)
    desc = "; ".join(f"{a.name}: {a.responders} of {a.n} respond" for a in view.arms)
    scene = Scene(width, height + 26, "fig-waterfall", title, desc)
    for arm, left, top, wide in places:
        arm_mark(scene, left, top + 14, arm, 12.5, wide)
        own = arm.table.dropna(subset=["change_percent"])
        own = own.assign(order=own["best"].map(_ORDER)).sort_values(
            ["change_percent", "order"], ascending=[False, True]
        )
        said = f"{arm.responders} of {arm.n} respond ({100 * arm.responders / max(arm.n, 1):.0f}%)"
        if len(own) < arm.n:
            said += f"; {arm.n - len(own)} without a scan"
        scene.text(left + 28, top + 30, said, size=11, fill=MUTED)
        counts = " · ".join(f"{name} {count}" for name, count in arm.best().items())
        scene.text(left + 44, top + 252, counts, size=10.5)
        x0, x1 = left + 44, left + wide
        y = Axis(-100.0, HIGHEST, top + 236, top + 44)
        change_axis(scene, y, x0, x1)
        if own.empty:
            scene.text((x0 + x1) / 2, y(0) - 8, "no patient has a scan after baseline", size=11.5, anchor="middle",
                       fill=MUTED, halo=True)  # fmt: skip
            continue
        room = int((x1 - x0) / _THIN)
        thinned = len(own) > room
        if thinned:
            own = own.iloc[np.unique(np.linspace(0, len(own) - 1, room).round().astype(int))]
        step = min((x1 - x0) / len(own), 26.0)
        gap = 0.0 if step < 3 else 0.18 * step
        for i, (change, best) in enumerate(zip(own["change_percent"], own["best"], strict=True)):
            ends = sorted((y(0), y(change)))
            if ends[1] - ends[0] < 1.2:  # no change is still a patient
                ends = [y(0) - 0.6, y(0) + 0.6]
            # Bars that touch overlap a little: a screen would show light seams between them.
            bar = step - gap if gap else step + 0.4
            scene.rect(x0 + i * step, ends[0], bar, ends[1] - ends[0], fill=RESPONSE_COLORS[best],
                       stroke=MUTED if best == "NE" and gap else None, width=0.6, key=f"best-{best}",
                       tip=f"{change:+.0f}%, {best}".replace("-", "−"))  # fmt: skip
        if thinned:
            scene.text(x1, top + 252, f"every {arm.n / len(own):.1f}th patient", size=10, anchor="end", fill=MUTED)
    end = response_key(scene, 44, height + 18)
    scene.text(end + 6, height + 18, "dashed: −30%", size=11, fill=MUTED)
    return scene


def same_patients(view: TrialView, most: int) -> list[int]:
    """Return numbers of at most `most` patients at even steps, the same for every arm."""
    known = sorted(set().union(*(set(a.table["patient"]) for a in view.arms)))
    return [known[i] for i in np.unique(np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int))]


def courses(arm: TrialArm, chosen: list[int]) -> dict[int, tuple[np.ndarray, np.ndarray, str]]:
    """Return months, percent change from baseline and best response of some patients, from baseline on."""
    out = {}
    first = arm.table.set_index("patient")
    scans = dict(tuple(arm.scans[arm.scans["patient"].isin(chosen)].groupby("patient")))
    for number in chosen:
        if number not in first.index or number not in scans:
            continue
        base = float(first.at[number, "base_mm"])
        own = scans[number].dropna(subset=["sum_mm"])
        own = own[own["day"] > 0]
        if not base > 0 or own.empty:
            continue
        change = np.concatenate([[0.0], 100.0 * (own["sum_mm"].to_numpy(float) / base - 1.0)])
        out[number] = (np.concatenate([[0.0], own["day"].to_numpy(float)]) / DAYS_PER_MONTH, change,
                       str(first.at[number, "best"]))  # fmt: skip
    return out


def spider_figure(view: TrialView) -> Scene:
    """Change of the sum of diameters over time of the same patients in each arm; a line ends at its last scan."""
    title = "Courses of single patients"
    chosen = same_patients(view, SPIDERS)
    width, height, places = panels(view, 268.0, 8.0)
    scene = Scene(width, height + 26, "fig-spider", title, f"{len(chosen)} patients, the same in each arm")
    shown = set()
    for arm, left, top, wide in places:
        arm_mark(scene, left, top + 14, arm, 12.5, wide)
        x0, x1 = left + 44, left + wide - 6
        x, y = Axis(0.0, view.horizon, x0, x1), Axis(-100.0, HIGHEST, top + 210, top + 34)
        change_axis(scene, y, x0, x1)
        months_axis(scene, x, y.start, "months")
        found = courses(arm, chosen)
        if not found:
            scene.text((x0 + x1) / 2, y(0) - 8, "no scan after baseline", size=11.5, anchor="middle", fill=MUTED,
                       halo=True)  # fmt: skip
        for number, (month, change, best) in sorted(found.items(), key=lambda item: _ORDER[item[1][2]]):
            month, change, cut = _below(month, change, HIGHEST)
            points = [(x(m), y(c)) for m, c in zip(month, change, strict=True)]
            color = MUTED if best == "NE" else RESPONSE_COLORS[best]
            tip = f"patient {number}: best response {best}"
            scene.poly(points, stroke=color, width=1.5, opacity=0.8, tip=tip, key=f"best-{best}")
            if not cut:
                scene.circle(*points[-1], 2.1, fill=color, opacity=0.9)
            shown.add(best)
    end = response_key(scene, 44, height + 18, [r for r in RESPONSES if r in shown])
    if shown:
        scene.text(end + 6, height + 18, "a line that leaves the panel grows on", size=11, fill=MUTED)
    return scene


def _below(month: np.ndarray, change: np.ndarray, highest: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Cut a course where it first crosses the upper edge; tell whether it was cut."""
    above = np.flatnonzero(change > highest)
    if not len(above):
        return month, change, False
    i = int(above[0])
    share = (highest - change[i - 1]) / (change[i] - change[i - 1])
    at = month[i - 1] + share * (month[i] - month[i - 1])
    return np.append(month[:i], at), np.append(change[:i], highest), True


def swimmers(arm: TrialArm, rows: int) -> pd.DataFrame:
    """Return patients at even steps of the order of time without progression, longest first."""
    ordered = arm.table.sort_values(["pfs_days", "os_days", "patient"], ascending=[False, False, True], kind="stable")
    if len(ordered) <= rows:
        return ordered
    step = (np.arange(rows) + 0.5) * len(ordered) / rows
    return ordered.iloc[step.astype(int)]


def swimmer_figure(view: TrialView) -> Scene:
    """Follow-up of some patients of each arm: response, progression, first severe adverse event, death."""
    title = "Follow-up of single patients"
    rows = max(FEWEST, SWIMMERS // len(view.arms))
    groups = [(arm, swimmers(arm, rows)) for arm in view.arms]
    pitch, head, top = 13.0, 26.0, 6.0
    bottom = top + sum(head + pitch * len(own) + 8 for _, own in groups)
    desc = "; ".join(f"{arm.name}: {len(own)} of {arm.n} patients" for arm, own in groups)
    if not any(len(own) for _, own in groups):
        return empty_scene("fig-swimmer", title, "No patient was simulated.", WIDE)
    scene = Scene(WIDE, bottom + 74, "fig-swimmer", title, desc)
    x = Axis(0.0, view.horizon, 64.0, 1130.0)
    y = top
    for arm, own in groups:
        arm_mark(scene, 8, y + 16, arm, 12.5, 700)
        some = f"{len(own)} of {arm.n} patients, at even steps of time without progression"
        scene.text(1130, y + 16, "" if len(own) == arm.n else some, size=10.5, anchor="end", fill=MUTED)
        y += head
        for row in own.itertuples():
            _swim(scene, x, y + pitch / 2, row)
            y += pitch
        y += 8
    months_axis(scene, x, bottom, "months from start of treatment")
    _swimmer_key(scene, bottom + 62)
    return scene


def _swim(scene: Scene, x: Axis, y: float, row) -> None:
    """Draw one patient."""
    month = lambda days: float(days) / DAYS_PER_MONTH  # noqa: E731
    key = f"swim-{row.arm}-{row.patient}"
    progressed = row.reason in PROGRESSED
    reason = f", progression ({row.reason}) at {month(row.pfs_days):.1f} months" if progressed else ""
    end = "dies" if row.os_event else "last seen alive"
    tip = f"patient {row.patient}: best response {row.best}{reason}, {end} at {month(row.os_days):.1f} months"
    scene.text(x.start - 8, y + 3.5, str(row.patient), size=9, anchor="end", fill=MUTED, key=key)
    scene.rect(x(0), y - 2.5, x(month(row.os_days)) - x(0), 5, fill=TRACK, tip=tip, key=key)
    treated = min(row.pfs_days, row.os_days)
    scene.rect(x(0), y - 4, x(month(treated)) - x(0), 8, fill=RESPONSE_COLORS["SD"], tip=tip, key=key)
    if row.best in ("CR", "PR") and np.isfinite(row.response_day):
        start, stop = row.response_day, min(row.response_day + row.dor_days, row.os_days)
        scene.rect(x(month(start)), y - 4, x(month(stop)) - x(month(start)), 8, fill=RESPONSE_COLORS[row.best],
                   tip=tip, key=key)  # fmt: skip
    if progressed:
        _diamond(scene, x(month(row.pfs_days)), y, key)
    if np.isfinite(row.ae3_day):
        _triangle(scene, x(month(row.ae3_day)), y, key)
    if row.os_event:
        _cross(scene, x(month(row.os_days)), y, key)
    else:
        _arrow(scene, x(month(row.os_days)), y, key)


def _diamond(scene: Scene, x: float, y: float, key: str | None = None) -> None:
    points = [(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)]
    scene.poly(points, closed=True, fill=CRIMSON, stroke=PAPER, width=0.8, key=key)


def _triangle(scene: Scene, x: float, y: float, key: str | None = None) -> None:
    scene.poly([(x, y - 5), (x + 4.6, y + 3.6), (x - 4.6, y + 3.6)], closed=True, fill="#e69f00", stroke=INK,
               width=0.8, key=key)  # fmt: skip


def _cross(scene: Scene, x: float, y: float, key: str | None = None) -> None:
    for sign in (1, -1):
        scene.line(x - 3.6, y - 3.6 * sign, x + 3.6, y + 3.6 * sign, stroke=INK, width=1.7, key=key)


def _arrow(scene: Scene, x: float, y: float, key: str | None = None) -> None:
    scene.line(x, y, x + 9, y, stroke=MUTED, width=1.4, key=key)
    scene.poly([(x + 14, y), (x + 8, y - 3.2), (x + 8, y + 3.2)], closed=True, fill=MUTED, key=key)


def _swimmer_key(scene: Scene, y: float) -> None:
    scene.line(64, y - 18, 1130, y - 18, stroke=RULE, width=0.8)
    at = response_key(scene, 64, y, ("CR", "PR"))
    scene.rect(at, y - 9, 11, 11, fill=RESPONSE_COLORS["SD"])
    scene.text(at + 16, y, "neither, without progression", size=11)
    scene.rect(at + 178, y - 6, 14, 5, fill=TRACK, stroke=RULE, width=0.6)
    scene.text(at + 197, y, "after progression or last scan", size=11)
    _diamond(scene, at + 376, y - 4)
    scene.text(at + 386, y, "progression", size=11)
    _triangle(scene, at + 466, y - 4)
    scene.text(at + 476, y, "first grade ≥ 3 event", size=11)
    _cross(scene, at + 606, y - 4)
    scene.text(at + 616, y, "death", size=11)
    _arrow(scene, at + 662, y - 4)
    scene.text(at + 682, y, "alive", size=11)

"""A reader who judges one patient scan by scan, without arrays: the second entry of the rules of RECIST and iRECIST."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Chart:
    """Diameters (mm) of one patient: at baseline by lesion, then one list a scan; lesions 0 to 2 are imaged."""

    base: list[float]
    scans: list[tuple[float, list[float]]]

    def targets(self) -> list[int]:
        imaged = range(min(3, len(self.base)))
        large = [i for i in imaged if self.base[i] >= 10.0]
        return large or [i for i in imaged if self.base[i] == max(self.base[j] for j in imaged)]

    def others(self) -> list[int]:
        targets = self.targets()
        return [i for i, d in enumerate(self.base) if i not in targets and (d >= 10.0 or (i < 3 and d > 0.0))]

    def new(self) -> list[int]:
        return [i for i in range(len(self.base)) if i not in self.targets() and i not in self.others()]


def sum_of(chart: Chart, at: list[float]) -> float:
    return sum(at[i] for i in chart.targets())


def reasons(chart: Chart, number: int) -> set[str]:
    """Return every reason for which scan `number` is a progression."""
    at = chart.scans[number][1]
    earlier = [chart.base, *(s for _, s in chart.scans[:number])]
    found = set()
    least = min(sum_of(chart, e) for e in earlier)
    if sum_of(chart, at) >= 1.2 * least and sum_of(chart, at) - least >= 5.0:
        found.add("target")
    if any(at[i] >= 10.0 for i in chart.new()):
        found.add("new lesion")
    for i in chart.others():
        own = min(e[i] for e in earlier)
        if at[i] >= 1.73 ** (1.0 / 3.0) * own and at[i] - own >= 5.0 and at[i] >= 10.0:
            found.add("non-target")
    return found


def shrinkage(chart: Chart, number: int) -> str:
    """Return CR, PR or SD of a scan, whatever grew."""
    at = chart.scans[number][1]
    if sum_of(chart, at) > 0.7 * sum_of(chart, chart.base):
        return "SD"
    gone = all(at[i] < 10.0 for i in chart.targets() + chart.others())
    return "CR" if gone and any(chart.base[i] >= 10.0 for i in chart.targets()) else "PR"


def begin_of_response(chart: Chart, rated: list[str], kinds: set[str], wait: float) -> float | None:
    """Return the day on which the first response that a later scan confirms began; `rated` one word a scan."""
    start = None
    for (day, _), word in zip(chart.scans, rated, strict=True):
        if word not in kinds:
            start = None
            continue
        start = day if start is None else start
        if day - start >= wait:
            return start
    return None


def best_of(chart: Chart, rated: list[str], progressed: bool, wait: float, stable_from: float) -> str:
    if begin_of_response(chart, rated, {"CR"}, wait) is not None:
        return "CR"
    if begin_of_response(chart, rated, {"CR", "PR"}, wait) is not None:
        return "PR"
    if any(w in ("CR", "PR", "SD") and day >= stable_from for (day, _), w in zip(chart.scans, rated, strict=True)):
        return "SD"
    return "PD" if progressed else "NE"


def judge(chart: Chart, wait: float, stable_from: float = 42.0) -> tuple[str, float | None]:
    """Return RECIST best response and the day of progression."""
    rated, day = [], None
    for number, (when, _) in enumerate(chart.scans):
        if day is None and reasons(chart, number):
            day = when
        rated.append("none" if day is not None else shrinkage(chart, number))
    return best_of(chart, rated, day is not None, wait, stable_from), day


def judge_immune(chart: Chart, wait: float) -> tuple[str, float | None, float | None, bool]:
    """Return iRECIST best response, day of progression, day of its confirmation, and whether one was taken back."""
    rated, waiting, confirmed, back, ever = [], None, None, False, False
    for number, (day, at) in enumerate(chart.scans):
        why = reasons(chart, number)
        if confirmed is not None:
            rated.append("none")
            continue
        ever |= bool(why)
        rated.append("none" if why else shrinkage(chart, number))
        if not why:
            back |= waiting is not None
            waiting = None
        elif waiting is None:
            waiting = number
        elif day - chart.scans[waiting][0] >= 26.0 and confirms(chart, waiting, at, why):
            confirmed = day
    start = None if waiting is None else chart.scans[waiting][0]
    best = best_of(chart, rated, False, wait, 42.0)
    if best == "NE":
        best = "CPD" if confirmed is not None else "UPD" if ever else "NE"
    return ("i" + best if best != "NE" else best), start, confirmed, back


def confirms(chart: Chart, waiting: int, at: list[float], why: set[str]) -> bool:
    """Return whether a scan confirms the progression that scan `waiting` showed."""
    before, was = chart.scans[waiting][1], reasons(chart, waiting)

    def new_of(diameters: list[float]) -> list[float]:
        return [diameters[i] for i in chart.new() if diameters[i] >= 10.0]

    if why - was:
        return True
    if "target" in was and sum_of(chart, at) - sum_of(chart, before) >= 5.0:
        return True
    if "new lesion" in was:
        more = len(new_of(at)) > len(new_of(before))
        if more or sum(new_of(at)) - sum(new_of(before)) >= 5.0:
            return True
    return "non-target" in was and any(at[i] - before[i] >= 5.0 for i in chart.others())

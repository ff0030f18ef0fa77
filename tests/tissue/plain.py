"""Slow, obvious twins of the kernels of the tissue: loops over sites and NumPy, with the same draws.

Each follows the description in words rather than the way the fast kernel is built, in float32 so that both decide
alike.
"""

from __future__ import annotations

import itertools

import numpy as np

F = np.float32


def coarse(speed: np.ndarray) -> np.ndarray:
    """Round to the 12 bits after the leading one that a walking cell takes along."""
    bits = speed.astype(F).view(np.uint32).astype(np.uint64) << 1
    return (((bits + 0x800) & 0xFFFFF000) >> 1).astype(np.uint32).view(F)


def wander(speed, follows, yields, potential, ease, dt, order, bits) -> np.ndarray:
    """Return the source of `motion.wander`: pair by pair, round by round."""
    shape, ndim = speed.shape, speed.ndim
    hops = coarse((speed * F(F(dt) / F(len(order)))).astype(F)).ravel()
    yields = (np.round(yields * F(255)) * F(1 / 255)).astype(F).ravel()
    follows = follows.ravel()
    standing = np.arange(speed.size).reshape(shape)  # whose occupant stands here
    for number, (axis, parity) in enumerate(divmod(int(n), 2) for n in order):
        # The draw of a pair lies at the parities of its other coordinates, then at half its first site's coordinates.
        room = [2] * (ndim - 1) + [n // 2 for n in shape]
        drawn = bits[number].reshape(room)
        for low in itertools.product(*map(range, shape)):
            if low[axis] % 2 != parity or low[axis] + 1 == shape[axis]:
                continue
            high = tuple(c + (k == axis) for k, c in enumerate(low))
            a, b = standing[low], standing[high]
            rise = [F(0.5) * (potential[g][high] - potential[g][low]) if g else F(0) for g in (follows[a], follows[b])]
            pass_ = min(ease[axis][low], ease[axis][high])
            total = F(pass_ * F(F(hops[a] * yields[b]) + F(hops[b] * yields[a])))
            net = F(total * np.tanh(F(rise[0] - rise[1])))
            forward, back = total + net, total - net
            place = tuple(c % 2 for k, c in enumerate(low) if k != axis) + tuple(c // 2 for c in low)
            uniform = (F(drawn[place]) + F(0.5)) * F(2.0**-16)
            if uniform * max(F(1), F(max(forward, back) * F(4 / 3))) < forward:
                standing[low], standing[high] = b, a
    return standing


def lines(shape: tuple[int, ...], axis: int, back: bool):
    """Yield the sites of every line along a direction, in its order."""
    others = [range(n) if k != axis else (0,) for k, n in enumerate(shape)]
    for start in itertools.product(*others):
        line = [tuple(i if k == axis else c for k, c in enumerate(start)) for i in range(shape[axis])]
        yield line[::-1] if back else line


def divide(occupied, wants, order, priority, direction, strength, reach, resist=None, open_border=False) -> dict:
    """Return what `crowd.divide` returns: cells as records that stand on sites."""
    shape = occupied.shape
    sites = list(itertools.product(*map(range, shape)))
    number = {site: n for n, site in enumerate(sites)}
    cells = {}
    for site in sites:
        if occupied[site]:
            rank = max(int(priority[site]) & ~7, 8)
            cells[site] = {
                "from": number[site], "wish": bool(wants[site]), "rank": rank, "way": int(direction[site]), "new": False
            }  # fmt: skip
    ways = [(axis, back) for axis in range(len(shape)) for back in (False, True)]

    def ahead_of(site, way):
        axis, back = ways[way]
        step = -1 if back else 1
        found, i = [], site[axis] + step
        while 0 <= i < shape[axis]:
            found.append(tuple(i if k == axis else c for k, c in enumerate(site)))
            i += step
        return found

    for site, cell in cells.items():
        ahead = ahead_of(site, cell["way"])
        if not open_border and len(ahead) < reach and all(s in cells for s in ahead):
            cell["way"] ^= 1
            ahead = ahead_of(site, cell["way"])
        if resist is not None:
            chance = F(1)
            for s in itertools.takewhile(lambda s: s in cells, ahead[: reach - 1]):
                chance = F(chance * (F(1) - F(resist[s])))
            if strength[site] >= chance:
                cell["way"] = None
    left, births = np.zeros(shape, np.uint8), 0
    for way in order:
        axis, back = ways[way]
        for line in lines(shape, axis, back):
            row = [cells.get(site) for site in line] + ([None] if open_border else [])
            # The last run first: filling its end does not lengthen another run.
            for end in [i for i, cell in enumerate(row) if cell is None][::-1]:
                start = end
                while start > 0 and row[start - 1] is not None and end - start < reach:
                    start -= 1
                able = [i for i in range(start, end) if row[i]["wish"] and row[i]["way"] == way]
                if not able:
                    continue
                mother = max(able, key=lambda i: (row[i]["rank"], i))
                row[mother]["wish"] = False
                births += 1
                row[mother + 2 : end + 1] = row[mother + 1 : end]
                row[mother + 1] = {**row[mother], "new": True}
            cells |= {site: cell for site, cell in zip(line, row, strict=False) if cell is not None}
            if open_border and row[-1] is not None:
                left.ravel()[row[-1]["from"]] += 1
    source = np.arange(occupied.size).reshape(shape)
    newborn, blocked = np.zeros(shape, bool), np.zeros(shape, bool)
    for site, cell in cells.items():
        source[site], newborn[site], blocked[site] = cell["from"], cell["new"], cell["wish"]
    return {"source": source, "newborn": newborn, "blocked": blocked, "left": left, "births": births}

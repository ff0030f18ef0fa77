"""Turn a table of published trial outcomes, one arm a row, into ``knowledge/data/trials.toml``.

Usage: ``python scripts/build_trials.py TRIALS.tsv [--hand scripts/trials_hand.toml] [--out .../trials.toml]``.
The table holds names, arms, doses as printed and outcomes; what it lacks (tumor id, endpoint, regimen string,
reference key) is in ``trials_hand.toml`` beside this script, with a few trials that therapies rest on and the table
does not hold.

Which trials calibration may see is decided here, once, by a rule that knows nothing of their outcomes: eight bytes of
blake2b("tumornexus held-out" + family) make a number in [0, 1), and the trial is held out when it lies below a cutoff.
The cutoff was set from the sorted numbers alone so that a third of the first 69 trials was held out; it stays fixed, so
a trial added later changes no other. The family is the trial's id, unless trials share patients or a protocol; these
are held out together.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE.parent / "src" / "tumornexus" / "knowledge" / "data" / "trials.toml"
CUTOFF = 0.20  # 23 of the first 69 trials, 24 of 72
OUTCOMES = {
    "orr": "ORR_pct", "cr": "CR_pct", "pd": "PD_pct", "pfs_median": "mPFS_mo", "pfs_6": "PFS6_pct",
    "pfs_12": "PFS12_pct", "pfs_24": "PFS24_pct", "os_median": "mOS_mo", "os_12": "OS12_pct", "os_24": "OS24_pct",
    "pfs_hr": "PFS_HR_vs_control", "os_hr": "OS_HR_vs_control", "ae3": "G3plus_TRAE_pct",
}  # fmt: skip
DRUGS = {
    "T-VEC": "t_vec", "talimogene laherparepvec": "t_vec", "nab-paclitaxel": "nab_paclitaxel", "TIL": "lifileucel",
    "responder-donor FMT": "fmt", "healthy-donor FMT": "fmt", "5-FU": "fluorouracil", "RT": "radiotherapy",
    "bintrafusp alfa (anti-PD-L1/TGF-b trap)": "bintrafusp_alfa", "CBM588 probiotic": "cbm588",
    "cabiralizumab (CSF1R)": "cabiralizumab", "mRNA-4157 (V940)": "v940", "CAR-GPC3 T cells": "car_t",
    "IL-15 GPC3 CAR-T": "il15_gpc3_car_t", "tisagenlecleucel": "car_t", "axicabtagene ciloleucel": "car_t",
    "idecabtagene vicleucel": "car_t", "ciltacabtagene autoleucel": "car_t", "satricabtagene autoleucel": "car_t",
}  # fmt: skip


def trial_id(name: str) -> str:
    """Id of a trial: its name in lower case, every run of other characters than letters and digits as one ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def use(family: str) -> str:
    """``held_out`` for about a third of the families, ``fit`` for the rest, whatever their outcome."""
    digest = hashlib.blake2b(f"tumornexus held-out{family}".encode(), digest_size=8).digest()
    return "held_out" if int.from_bytes(digest, "big") / 2.0**64 < CUTOFF else "fit"


def number(text: str) -> float | None:
    """A printed outcome as a number; None for blank, not reached (NR) and the reference of a hazard ratio."""
    text = text.strip().lstrip("~")
    return None if text in {"", "NR", "ref"} else float(text)


def drug_ids(text: str, known: set[str]) -> list[str]:
    """Drug ids named in a column such as ``nivolumab+ipilimumab``; placebo and what the catalogue lacks drop out."""
    found = []
    for part in re.split(r"\+(?!-)|\s\+-\s", text):
        name = part.strip()
        candidate = DRUGS.get(name, name.lower().replace(" ", "_"))
        if candidate in known and candidate not in found:
            found.append(candidate)
    return found


def checked(values: list[str]) -> str:
    """What was looked up: addresses without those that name a bare machine rather than a publisher."""
    seen: list[str] = []
    for value in dict.fromkeys(values):
        if not value.startswith("read:"):
            seen.append(value)
            continue
        addresses = [a.strip() for a in value.removeprefix("read:").split(" ; ")]
        named = [a for a in addresses if not re.search(r"//\d+\.\d+\.\d+\.\d+", a)]
        seen.append("read: " + ("; ".join(named) if named else "abstract"))
    return "; ".join(dict.fromkeys(seen))


def arm(row: dict[str, str], hand: dict[str, Any], index: int, twice: set[str], known: set[str]) -> dict[str, Any]:
    """One arm of the catalogue from one row of the table."""
    regimen = hand["regimens"][index] or None
    control = row["arm"].startswith("control")
    name = row["drugs"] if control else row["arm"]
    if row["arm"] in twice:
        name = f"{name} ({row['selection']})"
    notes = [row["notes"]] if row["notes"] else []
    notes += [f"{k} not reached" for k, c in OUTCOMES.items() if row[c].strip() == "NR"]
    if index + 1 in hand.get("representative", ()):
        notes.append("regimen string stands for what the trial allowed")
    n = re.search(r"\d+", row["n"])
    drugs = (
        [d for d in dict.fromkeys(re.findall(r"[a-z][a-z0-9_]*", regimen)) if d in known]
        if regimen
        else drug_ids(row["drugs"], known)
    )
    tumors = hand.get("arm_tumor", [])
    return {
        "name": name,
        "drugs": drugs,
        "regimen": regimen,
        "regimen_text": f"{row['drugs']}: {row['dose_schedule']}",
        "n": int(n.group()) if n else None,
        "control": control or None,
        "tumor": (tumors[index] or None) if tumors else None,
        "selection": row["selection"] if row["selection"] != "none" else None,
        "criteria": hand["arm_criteria"][index] if "arm_criteria" in hand else None,
        "from_memory": row["fields_from_memory"] if row["fields_from_memory"] not in {"", "none"} else None,
        "note": "; ".join(notes) or None,
        "outcome": {k: v for k, c in OUTCOMES.items() if (v := number(row[c])) is not None},
    }


def trial(rows: list[dict[str, str]], hand: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """One trial of the catalogue from its rows and its hand-made fields."""
    first = rows[0]
    identity = trial_id(first["trial"])
    if len(hand["regimens"]) != len(rows):
        raise SystemExit(f"{identity}: {len(rows)} arms in the table, {len(hand['regimens'])} regimens by hand")
    names = [row["arm"] for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    dois = [row["DOI"] for row in rows if row["DOI"].startswith("10.")]
    return {
        "id": identity,
        "name": first["trial"],
        "tumor": hand.get("tumor"),
        "disease": first["cancer"],
        "line": first["line"],
        "selection": "; ".join(dict.fromkeys(row["selection"] for row in rows)),
        "criteria": hand.get("criteria"),
        "endpoint": hand.get("endpoint", "RECIST"),
        "use": use(hand.get("family", identity)),
        "out_of_scope": hand.get("out_of_scope"),
        "randomized": hand.get("randomized", len(rows) > 1),
        "negative": any("NEGATIVE" in row["notes"] for row in rows) or None,
        "source": [hand["key"]],
        "doi": dois[0] if dois else None,
        "checked": checked([row["checked"] for row in rows]),
        "arm": [arm(row, hand, i, twice, known) for i, row in enumerate(rows)],
    }


def value(x: Any) -> str:
    """A value as TOML (strings as JSON strings, which TOML reads)."""
    if isinstance(x, dict):
        return "{ " + ", ".join(f"{k} = {value(v)}" for k, v in x.items()) + " }" if x else "{}"
    if isinstance(x, list):
        return "[" + ", ".join(value(v) for v in x) + "]"
    return json.dumps(x, ensure_ascii=False)


def to_toml(records: list[dict[str, Any]]) -> str:
    """The records as TOML, ``[[trial]]`` with ``[[trial.arm]]``; absent values are left out."""
    lines = [
        "# Published trials: arms and outcomes. Written by scripts/build_trials.py: edit scripts/trials_hand.toml.",
        '# `use = "held_out"`: calibration never sees it (rule in the script).',
    ]
    for record in records:
        lines += ["", "[[trial]]"]
        lines += [f"{k} = {value(v)}" for k, v in record.items() if k != "arm" and v is not None]
        for one in record["arm"]:
            lines += ["", "[[trial.arm]]"]
            lines += [f"{k} = {value(v)}" for k, v in one.items() if v is not None]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the table and the hand-made fields, write the catalogue's trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="tab-separated table, one arm a row")
    parser.add_argument("--hand", type=Path, default=HERE / "trials_hand.toml")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    hand = tomllib.loads(options.hand.read_text(encoding="utf-8"))
    extra = hand.pop("extra", [])
    known = {path.stem for path in (OUT.parent / "drugs").glob("*.toml")}
    by_trial: dict[str, list[dict[str, str]]] = {}
    with options.table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            by_trial.setdefault(trial_id(row["trial"]), []).append({k: v or "" for k, v in row.items()})
    missing, unused = sorted(set(by_trial) - set(hand)), sorted(set(hand) - set(by_trial))
    if missing or unused:
        raise SystemExit(f"trials without hand-made fields: {missing}; hand-made fields without a trial: {unused}")
    records = [trial(rows, hand[identity], known) for identity, rows in by_trial.items()]
    for one in extra:
        identity = trial_id(one["name"])
        records.append(
            {"id": identity, **{k: v for k, v in one.items() if k != "arm"}, "use": use(identity), "arm": one["arm"]}
        )
    options.out.write_text(to_toml(records), encoding="utf-8")
    held = sum(r["use"] == "held_out" for r in records)
    print(f"{len(records)} trials, {sum(len(r['arm']) for r in records)} arms, {held} held out -> {options.out}")


if __name__ == "__main__":
    main()

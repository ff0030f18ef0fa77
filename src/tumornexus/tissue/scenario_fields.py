"""From the words of a scenario file to ids and numbers: tumor, mechanisms, regimens and parameters, each looked up.

Every function raises `InputError` or `RegimenError` naming file, field, value and what would be valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tumornexus.errors import InputError, RegimenError, near_misses
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.overrides import check_overrides
from tumornexus.knowledge.regimen import parse_regimen

UNTREATED = "untreated"


FIELDS = (
    "tumor", "patient", "sample", "phenotype", "slide", "days", "seed", "size_um", "site_um", "dt_hours", "regimen",
    "regimens", "mechanisms", "set", "output",
)  # fmt: skip
TABLES = {"mechanisms": "tgf_beta = 1.0", "set": "cd8_entry = 2.0", "output": "every_days = 10"}


def in_fields(content: dict[str, Any], path: Path, knowledge: Knowledge) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn the file's keys into fields of `Scenario` with ids for names; return them and the parameters of [set]."""
    for key in content:
        if key not in FIELDS:
            raise InputError("unknown field", file=path, field=key, valid=near_misses(key, FIELDS))
    for key, example in TABLES.items():
        if not isinstance(content.get(key, {}), dict):
            raise InputError("must be a table", file=path, field=key, value=content[key], valid=f"[{key}] {example}")
    raw = {k: v for k, v in content.items() if k not in ("regimen", "set", "mechanisms", "regimens")}
    if isinstance(raw.get("slide"), str):
        raw["slide"] = {"file": raw["slide"]}
    if isinstance(raw.get("tumor"), str):
        raw["tumor"] = _named(knowledge.tumor, raw["tumor"], path, "tumor").id
    raw["mechanisms"] = _mechanisms(content.get("mechanisms", {}), knowledge, path)
    raw["regimens"] = _regimens(content, knowledge, path)
    return raw, dict(content.get("set", {}))


def _named(find: Callable[[str], Any], name: str, path: Path, field: str) -> Any:
    try:
        return find(name)
    except InputError as error:
        raise InputError(error.problem, file=path, field=field, value=name, valid=error.valid) from None


def _mechanisms(table: Mapping[str, Any], knowledge: Knowledge, path: Path) -> dict[str, Any]:
    """Return mechanism id to level; only causes can be set, since the simulation yields all others by itself."""
    found: dict[str, Any] = {}
    for name, level in table.items():
        field = f"mechanisms.{name}"
        mechanism = _named(knowledge.mechanism, name, path, field)
        if mechanism.kind != "cause":
            causes = [m.id for m in knowledge.causes.values() if any(d.target == mechanism.id for d in m.drives)]
            valid = f"its causes, such as {', '.join(causes[:6])}" if causes else "mechanisms of kind cause"
            raise InputError(
                f"{mechanism.id} is something that the simulation yields and cannot be set", file=path, field=field,
                valid=valid,
            )  # fmt: skip
        if mechanism.id in found:
            raise InputError("this mechanism is set twice", file=path, field=field, value=mechanism.id,
                             valid="one level for each mechanism")  # fmt: skip
        number = isinstance(level, int | float) and not isinstance(level, bool)
        if not number or not 0.0 <= level <= 1.0:
            raise InputError("not a level", file=path, field=field, value=level, valid="a number from 0 to 1")
        found[mechanism.id] = float(level)
    return found


def _regimens(content: Mapping[str, Any], knowledge: Knowledge, path: Path) -> tuple[str, ...]:
    """Return the regimens in normal form, each once."""
    if "regimen" in content and "regimens" in content:
        raise InputError("both 'regimen' and 'regimens' are given", file=path, field="regimens", valid="one of them")
    field = "regimen" if "regimen" in content else "regimens"
    given = content.get(field, [UNTREATED])
    texts = [given] if field == "regimen" else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        example = '"nivolumab 240 mg q2w"'
        raise InputError("not a regimen", file=path, field=field, value=given,
                         valid=example if field == "regimen" else f"[{example}, \"{UNTREATED}\"]")  # fmt: skip
    found: list[str] = []
    for text in texts:
        try:
            plain = UNTREATED if text.strip().lower() == UNTREATED else parse_regimen(text, knowledge).text
        except RegimenError as error:
            # The one sentence of the regimen's grammar, with the file in front of it.
            raise RegimenError(error.problem, file=path, field=field, value=error.value, valid=error.valid) from None
        if plain in found:
            raise InputError("this regimen is given twice", file=path, field=field, value=plain, valid="each once")
        found.append(plain)
    return tuple(found)


def check_set(given: Mapping[str, Any], knowledge: Knowledge, path: Path) -> None:
    """Require that parameters set by hand exist and are in range (`check_overrides`), naming the scenario file."""
    try:
        check_overrides(given, knowledge)
    except InputError as error:
        field = (error.field or "set").replace("overrides", "set", 1)
        raise InputError(error.problem, file=path, field=field, value=error.value, valid=error.valid) from None

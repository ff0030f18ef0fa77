"""Files that users write in TOML: read, and their faults told in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tumornexus.errors import InputError, near_misses


def toml_content(path: Path, what: str = "scenario") -> dict[str, Any]:
    """Return the content of a TOML file; `what` names its kind in messages.

    Raises:
        InputError: there is no such file, it cannot be read, or it is not TOML.
    """
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        hint = near_misses(path.name, near) if near else f"a {what} file ending in .toml"
        raise InputError(f"no such {what} file", file=path, valid=hint)
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not valid TOML: {error}", file=path, valid='TOML, such as tumor = "melanoma"') from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path, valid="a file you may read") from None


_WORDS = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "string_type": "text in quotes", "bool_type": "true or false", "finite_number": "a finite number",
}  # fmt: skip


def form_error(
    error: ValidationError,
    path: Path,
    form: type[BaseModel],
    tables: Mapping[str, type[BaseModel]],
    *,
    renamed: Mapping[str, str] | None = None,
    examples: Mapping[str, str] | None = None,
) -> InputError:
    """Turn pydantic's first complaint into one sentence; a misspelt field before the one that is missing for it.

    `tables` gives the form of each table by its name in the file, `renamed` the names that the file has for fields,
    `examples` what would have been valid by field.
    """
    complaints = error.errors(include_url=False)
    # Faulty items do not count towards the length of their list: that it is too short then says nothing.
    real = [e for e in complaints if e["type"] != "too_short" or not e.get("input")]
    item = min(real or complaints, key=lambda e: (e["type"] == "missing", e["type"] != "extra_forbidden"))
    field = ".".join(str(p + 1 if isinstance(p, int) else p) for p in item["loc"])
    for old, new in (renamed or {}).items():
        field = field.replace(old, new)
    kind, context, value = item["type"], item.get("ctx", {}), item.get("input")
    if kind == "missing":
        return InputError("field is missing", file=path, field=field, valid=f"{field.rpartition('.')[2]} = ...")
    if kind == "extra_forbidden":
        names = [str(p) for p in item["loc"][:-1] if not isinstance(p, int)]
        table = next((tables[n] for n in reversed(names) if n in tables), form)
        return InputError("unknown field", file=path, field=field,
                          valid=near_misses(str(item["loc"][-1]), table.model_fields))  # fmt: skip
    valid, problem = _WORDS.get(kind), item["msg"].removeprefix("Value error, ")
    if valid:
        problem = "wrong type of value"
    elif kind == "literal_error":
        problem, valid = "not one of the allowed words", str(context.get("expected", "")).replace("'", "")
    elif kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        problem, valid = "out of range", item["msg"].removeprefix("Input should be ")
    elif field in (examples or {}):
        valid = (examples or {})[field]
    return InputError(problem, file=path, field=field, value=list(value) if isinstance(value, tuple) else value,
                      valid=valid)  # fmt: skip

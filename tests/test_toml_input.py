"""Files that users write: each fault told in one sentence that names file, field, value and what is valid."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from tumornexus.errors import InputError
from tumornexus.toml_input import form_error, toml_content


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    name: Annotated[str, Strict()]
    share: Annotated[float, Strict(), Field(ge=0.0, le=1.0)] = 0.5
    kind: Literal["a", "b"] = "a"

    @model_validator(mode="after")
    def _not_bad(self) -> Inner:
        if self.name == "bad":
            raise ValueError("a bad name")
        return self


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Annotated[str, Strict()]
    number: Annotated[int, Strict()] = 1
    part: tuple[Inner, ...] = ()


def told(tmp_path, **content) -> InputError:
    with pytest.raises(ValidationError) as error:
        Outer(**content)
    return form_error(error.value, tmp_path / "x.toml", Outer, {"part": Inner}, examples={"part": "[[part]]"})


def test_content(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes('\ufefftitle = "ä"\n'.encode())  # with the mark that some editors write
    assert toml_content(path) == {"title": "ä"}


def test_no_file_names_its_neighbors(tmp_path):
    (tmp_path / "melanoma.toml").touch()
    with pytest.raises(InputError, match="no such trial file") as error:
        toml_content(tmp_path / "melanom.toml", "trial")
    assert "melanoma.toml" in str(error.value)
    with pytest.raises(InputError, match=r"ending in \.toml"):
        toml_content(tmp_path / "none" / "x.toml", "trial")
    with pytest.raises(InputError, match="no such"):
        toml_content(tmp_path)


@pytest.mark.parametrize("content", [b"title = ", b"title = 'a'\ntitle = 'b'", b"\xff\xfe\x00"])
def test_not_toml(tmp_path, content):
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not valid TOML") as error:
        toml_content(path)
    assert error.value.file == path


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        ({}, "title", "field is missing"),
        ({"titel": "x"}, "titel", "did you mean title"),  # not: title is missing
        ({"title": 3}, "title", "text in quotes"),
        ({"title": "x", "number": 1.5}, "number", "a whole number"),
        ({"title": "x", "number": "1"}, "number", "a whole number"),
        ({"title": "x", "part": [{"name": "a"}, {"name": "b", "share": 2.0}]}, "part.2.share", "less than or equal"),
        ({"title": "x", "part": [{"name": "a", "share": float("nan")}]}, "part.1.share", "a finite number"),
        ({"title": "x", "part": [{"name": "a", "kind": "c"}]}, "part.1.kind", "a or b"),
        ({"title": "x", "part": [{"name": "a", "knd": "c"}]}, "part.1.knd", "did you mean kind"),
        ({"title": "x", "part": [{"name": "bad"}]}, "part.1", "a bad name"),
        ({"title": "x", "part": "a"}, "part", r"\[\[part\]\]"),
    ],
)
def test_one_sentence(tmp_path, content, field, words):
    error = told(tmp_path, **content)
    assert error.field == field
    assert str(error.file).endswith("x.toml")
    assert str(error).count("\n") == 0
    with pytest.raises(InputError, match=words):
        raise error


def test_names_of_the_file(tmp_path):
    with pytest.raises(ValidationError) as error:
        Outer(title="x", part=[{"name": 1}])
    found = form_error(error.value, tmp_path / "x.toml", Outer, {}, renamed={"part": "piece"})
    assert found.field == "piece.1.name"

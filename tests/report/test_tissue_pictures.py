"""Pictures of a tissue: every cell is drawn in its color, films are small and the same every time."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tissue_frames import frame
from tumornexus.cellkinds import GROUPS, KINDS
from tumornexus.errors import InputError
from tumornexus.report.tissue import counts_of, curves, scale_bar_um, still
from tumornexus.report.tissue_movie import movie
from tumornexus.report.tissue_raster import (
    FILL,
    PALETTE,
    VESSEL,
    draw,
    gap_of,
    mosaic,
    plane_of,
    restored,
    smooth_rgb,
    stored,
)


def opened(path: Path) -> Image.Image:
    """An image read into memory, so that no file stays open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def bare(kind: np.ndarray, **more: Any) -> dict[str, Any]:
    zeros = np.zeros(kind.shape, np.float32)
    return {"kind": kind.astype(np.uint8), "vessel": zeros, "matrix": zeros, "fields": {}, "day": 0.0} | more


@pytest.mark.parametrize("px", [1, 2, 3, 4, 6, 9, 21])
def test_center_of_every_site_has_the_color_of_its_cell(px: int) -> None:
    kind = np.arange(len(KINDS)).reshape(3, 7)
    image = draw(plane_of(bare(kind)), px)
    assert image.shape == (3 * px, 7 * px)
    middle = image[px // 2 :: px, px // 2 :: px]
    for number, color in zip(kind.ravel(), middle.ravel(), strict=True):
        if number == 0:
            assert color == 0
        else:
            assert KINDS[number] in GROUPS[color - FILL].kinds


@pytest.mark.parametrize("px", [1, 2, 4, 9])
def test_vessels_are_drawn_even_in_corners_and_over_cells(px: int) -> None:
    vessel = np.zeros((4, 4))
    vessel[0, 0] = vessel[3, 3] = 1
    image = draw(plane_of(bare(np.ones((4, 4)), vessel=vessel)), px)
    for corner in (image[:px, :px], image[-px:, -px:]):
        assert (corner == VESSEL).any()
    assert not (draw(plane_of(bare(np.ones((4, 4)))), px) == VESSEL).any()


def test_denser_matrix_is_darker_ground() -> None:
    matrix = np.linspace(0, 2, 8).reshape(1, 8)
    ground = draw(plane_of(bare(np.zeros((1, 8)), matrix=matrix)), 1)[0]
    light = np.array(PALETTE)[ground].sum(axis=1)
    assert (np.diff(light) <= 0).all()
    assert light[0] > light[-1]


def test_mosaic_holds_the_three_middle_planes() -> None:
    lattice = np.arange(4 * 8 * 12).reshape(4, 8, 12)
    gap = gap_of(lattice.shape)
    flat = mosaic(lattice, gap, -1)
    np.testing.assert_array_equal(flat[:8, :12], lattice[2])
    np.testing.assert_array_equal(flat[:8, 12 + gap :], lattice[:, :, 6].T)
    np.testing.assert_array_equal(flat[8 + gap :, :12], lattice[:, 4, :])
    assert (flat[8 : 8 + gap] == -1).all()
    assert (flat[8 + gap :, 12:] == -1).all()


def test_smooth_picture_has_the_size_asked_for() -> None:
    assert smooth_rgb(plane_of(frame((8, 12))), 5).shape == (40, 60, 3)


def test_counts_are_those_of_the_lattice() -> None:
    given = frame((40, 40))
    counts = counts_of(given)
    assert sum(counts.values()) == np.count_nonzero(given["kind"])
    assert counts["suppressor"] == sum(
        int((given["kind"] == KINDS.index(k)).sum()) for k in ("tam_m2", "mdsc", "neutrophil")
    )
    assert "car_t" not in counts


@pytest.mark.parametrize("width", [60.0, 400.0, 2500.0, 9999.0])
def test_scale_bar_is_a_round_number_and_fits(width: float) -> None:
    length = scale_bar_um(width)
    assert width / 12.5 <= length <= width / 4
    assert f"{length:e}"[0] in "125"


@pytest.mark.parametrize("shape", [(60, 24), (12, 20, 24)])
def test_still_is_written_whole(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = still(frame(shape), tmp_path / "a.png", site_um=17.0, caption="untreated")
    image = np.asarray(opened(path).convert("RGB"))
    assert (image == 255).all(axis=2).mean() < 0.9
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_equal_frames_give_equal_files(tmp_path: Path) -> None:
    first, second = (still(frame((24, 24)), tmp_path / name, site_um=17.0, panels=()) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("shape", [(12, 20), (8, 12, 16)])
def test_plane_comes_back_from_its_arrays(shape: tuple[int, ...]) -> None:
    plane = plane_of(frame(shape))
    np.testing.assert_array_equal(draw(restored(stored(plane)), 6), draw(plane, 6))
    again = restored(stored(plane))
    assert (again.labels, again.columns, again.day) == (plane.labels, shape[-1], 10.0)


def test_still_shows_the_fields_asked_for_and_refuses_others(tmp_path: Path) -> None:
    given = frame((24, 24))
    given["fields"]["drug_x"] = np.zeros((12, 12), np.float32)  # a field that is zero throughout
    some = still(given, tmp_path / "some.png", site_um=17.0, panels=["drug_x", "matrix"])
    none = still(given, tmp_path / "none.png", site_um=17.0, panels=())
    assert some.read_bytes() != none.read_bytes()
    with pytest.raises(InputError, match=r"'panels'.*'oxigen'.*oxygen"):
        still(given, tmp_path / "x.png", site_um=17.0, panels=["oxigen"])


def test_still_without_cells_is_a_picture_too(tmp_path: Path) -> None:
    assert still(bare(np.zeros((8, 8))), tmp_path / "none.png", site_um=17.0).stat().st_size > 1000


def test_film_of_sixty_frames_is_small_and_shows_every_cell(tmp_path: Path) -> None:
    frames = [frame((148, 148), seed=3, day=d, infiltrated=d / 60) for d in range(60)]
    path = movie(iter(frames), tmp_path / "m.gif", site_um=17.0, caption="pembrolizumab 200 mg q3w")
    assert path.stat().st_size < 8e6
    film = opened(path)
    assert film.n_frames == 60
    assert film.info["loop"] == 0
    # the cells of a late frame, found again in the film: palette, place and order all agree
    film.seek(41)
    shown = np.asarray(film.convert("RGB"))
    plane = plane_of(frames[41])
    px = round(640 / 148)
    wanted = np.array(PALETTE, np.uint8)[draw(plane, px)]
    left = (shown.shape[1] - 148 * px) // 2
    np.testing.assert_array_equal(shown[34 : 34 + 148 * px, left : left + 148 * px], wanted)


def test_film_in_three_dimensions_and_of_one_frame(tmp_path: Path) -> None:
    long_caption = (
        "carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w x4 + pembrolizumab 200 mg q3w then pembrolizumab 200 mg q3w"
    )
    path = movie([frame((12, 20, 24))], tmp_path / "m.gif", site_um=17.0, caption=long_caption)
    assert opened(path).size[0] >= 360
    again = movie([frame((12, 20, 24))], tmp_path / "n.gif", site_um=17.0, caption=long_caption)
    assert path.read_bytes() == again.read_bytes()


def test_film_needs_frames_and_a_known_ending(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one frame"):
        movie([], tmp_path / "m.gif", site_um=17.0)
    with pytest.raises(InputError, match=r"'\.avi'.*\.gif, \.mp4"):
        movie([frame((8, 8))], tmp_path / "m.avi", site_um=17.0)
    assert not list(tmp_path.iterdir())


def test_mp4_without_ffmpeg_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="ffmpeg, which is not installed"):
        movie([frame((8, 8))], tmp_path / "m.mp4", site_um=17.0)


def test_mp4_hands_ffmpeg_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for ffmpeg keeps what it is given; real encoding is ffmpeg's own affair."""
    tools = tmp_path / "bin"
    tools.mkdir()
    fake = tools / "ffmpeg"
    fake.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$KEPT"\ncat > "$last"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("KEPT", str(tmp_path / "words"))
    path = movie([frame((8, 8), day=d) for d in range(3)], tmp_path / "m.mp4", site_um=17.0)
    words = (tmp_path / "words").read_text().split()
    width, height = map(int, words[words.index("-s") + 1].split("x"))
    assert width % 2 == height % 2 == 0
    assert path.stat().st_size == 3 * 3 * width * height
    fake.write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    with pytest.raises(InputError, match="no such codec"):
        movie([frame((8, 8))], tmp_path / "n.mp4", site_um=17.0)
    assert not (tmp_path / "n.mp4").exists()


def summary() -> pd.DataFrame:
    return pd.DataFrame(
        {"day": [0, 1, 0, 1], "regimen": ["a", "a", "b", "b"], "cancer": [10, 20, 10, 0], "cd8_effector": [1, 0, 1, 5],
         "hypoxic_fraction": [0.1, 0.2, 0.1, np.nan], "mixing_score": [-0.1, 0.2, 0.1, 0.2]}
    )  # fmt: skip


def test_curves_take_one_or_several_regimens(tmp_path: Path) -> None:
    both = curves(summary(), tmp_path / "both.png")
    one = curves(summary().iloc[:2].drop(columns="regimen"), tmp_path / "one.png")
    counts_only = curves(summary()[["day", "cancer"]].iloc[:2], tmp_path / "counts.png")
    assert opened(both).size[1] > opened(counts_only).size[1]
    assert one.stat().st_size > 5000
    assert curves(summary(), tmp_path / "again.png").read_bytes() == both.read_bytes()


@pytest.mark.parametrize(
    "table", [summary().iloc[:0], summary().drop(columns="day"), summary()[["day", "mixing_score"]]]
)
def test_summary_that_cannot_be_drawn_is_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="cannot be drawn"):
        curves(table, tmp_path / "c.png")
    assert not list(tmp_path.iterdir())

"""Films of a simulated tissue: GIF with Pillow, MP4 where the program ffmpeg is installed.

A frame becomes an image of color numbers from one palette (`tissue_raster`), which is what a GIF is; nothing is drawn
in full color and reduced again, so that films are small, sharp and fast to make.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumornexus.cellkinds import GROUPS
from tumornexus.errors import InputError
from tumornexus.io.write import whole
from tumornexus.report.tissue import scale_bar_um
from tumornexus.report.tissue_raster import FILL, INK_RAMP, INKS, PALETTE, VESSEL, Plane, draw, plane_of

TARGET_PX = 640  # longer side of the picture, about
MARGIN, HEAD, LINE = 12, 34, 19  # px: border, strip above the picture, height of a legend line
MILLISECONDS = 140  # a frame
PAUSE = 1500  # the last frame, before the film starts again


def movie(frames: Iterable[Mapping[str, Any] | Plane], path: Path | str, *, site_um: float, caption: str = "") -> Path:
    """Write frames as a film: cells, vessels and ground, the day and the caption above, a legend and scale below.

    Args:
        frames: in order of time and of one shape, as frames or as what `plane_of` made of them; each is reduced at
            once, so a generator keeps memory small.
        path: ``.gif``, or ``.mp4`` where ffmpeg is on the search path.
        site_um: edge of a site, um.
        caption: what to say beside the day, such as the regimen.

    Raises:
        InputError: no frames, another ending, ffmpeg missing or failing, or a file that cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".gif", ".mp4"):
        raise InputError("unknown kind of film", file=path, field="path", value=path.suffix, valid=".gif, .mp4")
    if path.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(
            "an MP4 needs the program ffmpeg, which is not installed", file=path, valid="a .gif, or ffmpeg"
        )
    planes = [frame if isinstance(frame, Plane) else plane_of(frame) for frame in frames]
    if not planes:
        raise InputError("a film needs at least one frame", file=path, valid="frames of a run")
    images = _pictures(planes, site_um, caption)
    with whole(path) as partial:
        (_gif if path.suffix == ".gif" else _mp4)(images, partial)
    return path


def _pictures(planes: Sequence[Plane], site_um: float, caption: str) -> Iterator[np.ndarray]:
    """Yield each frame with its strips as an image of color numbers; sides are even, as video wants them."""
    rows, wide = planes[0].group.shape
    px = max(1, round(TARGET_PX / max(rows, wide)))
    numbers = sorted(set(np.unique(np.stack([p.group for p in planes])).tolist()) - {0})
    vessels = any(p.vessel.any() for p in planes)
    width = max(wide * px, 360) + 2 * MARGIN
    width += width % 2
    legend = _legend([n - 1 for n in numbers], vessels, width, planes[0].columns * px, px, site_um)
    height = HEAD + rows * px + legend.shape[0]
    height += height % 2
    for plane in planes:
        page = np.zeros((height, width), np.uint8)
        day = f"Day {plane.day:g}"
        _write(page, MARGIN, 9, day, 15, bold=True)
        room = width - 2 * MARGIN - _length(day, 15, True) - 14
        _write(page, MARGIN + _length(day, 15, True) + 14, 11, _shortened(caption, 11, room), 11)
        left = (width - wide * px) // 2
        page[HEAD : HEAD + rows * px, left : left + wide * px] = draw(plane, px)
        for word, row, column in plane.labels:
            _write(page, left + column * px + 3, HEAD + row * px + 2, word, 10)
        page[HEAD + rows * px : HEAD + rows * px + legend.shape[0]] = legend
        yield page


def _legend(groups: Sequence[int], vessels: bool, width: int, wide_px: int, px: int, site_um: float) -> np.ndarray:
    """Return the strip below the picture: scale bar, then a dot and a label for each group, in lines."""
    length = scale_bar_um(wide_px / px * site_um)
    word = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    bar = round(length / site_um * px)
    entries = [(FILL + g, GROUPS[g].label) for g in groups] + ([(VESSEL, "Vessels")] if vessels else [])
    places, x, y = [], MARGIN + bar + 8 + _length(word, 10) + 22, 8
    for color, label in entries:
        need = 16 + _length(label, 10) + 16
        if x + need - 16 > width - MARGIN:
            x, y = MARGIN, y + LINE
        places.append((color, label, x, y))
        x += need
    strip = np.zeros((y + LINE + 8, width), np.uint8)
    strip[14:17, MARGIN : MARGIN + bar] = INK_RAMP + INKS - 1
    _write(strip, MARGIN + bar + 8, 9, word, 10)
    disc = np.hypot(*(np.mgrid[:11, :11] - 5.0))
    for color, label, x, y in places:
        ring = (disc <= 5.2) & (disc > 2.8) if color == VESSEL else disc <= 5.2
        strip[y + 2 : y + 13, x : x + 11][ring] = color
        _write(strip, x + 16, y + 1, label, 10)
    return strip


def _font(size: int, bold: bool = False) -> Any:
    """Return DejaVu Sans, which ships with matplotlib, so that films are the same everywhere."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _length(text: str, size: int, bold: bool = False) -> int:
    return round(_font(size, bold).getlength(text))


def _shortened(text: str, size: int, room: int) -> str:
    """Return `text`, cut with an ellipsis where it would not fit in `room` px."""
    if _length(text, size) <= room:
        return text
    while text and _length(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip(" +,") + "…"


def _write(page: np.ndarray, x: int, y: int, text: str, size: int, bold: bool = False) -> None:
    """Write text with smooth letters into an image of color numbers; blank where the page ends."""
    from PIL import Image, ImageDraw

    area = page[y : y + size + 6, x:]
    if not text or not area.size:
        return
    gray = Image.new("L", (area.shape[1], area.shape[0]), 0)
    ImageDraw.Draw(gray).text((0, 0), text, fill=255, font=_font(size, bold))
    shade = np.rint(np.asarray(gray) / 255.0 * (INKS - 1)).astype(np.uint8)
    area[shade > 0] = INK_RAMP + shade[shade > 0]


def _gif(images: Iterator[np.ndarray], path: Path) -> None:
    from PIL import Image

    flat = [value for color in PALETTE for value in color]
    pages = []
    for image in images:
        page = Image.fromarray(image)
        page.putpalette(flat)
        pages.append(page)
    times = [MILLISECONDS] * (len(pages) - 1) + [PAUSE]
    with open(path, "wb") as file:
        pages[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=pages[1:],
            duration=times,
            loop=0,
            optimize=False,
            disposal=1,
        )


def _mp4(images: Iterator[np.ndarray], path: Path) -> None:
    """Encode with ffmpeg: H.264 with the pixel format that every player knows."""
    palette, first = np.array(PALETTE, np.uint8), next(images)
    size, rate = f"{first.shape[1]}x{first.shape[0]}", f"{1000 / MILLISECONDS:.4g}"
    words = ["ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate,
             "-i", "-", "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-f", "mp4", str(path)]  # fmt: skip
    raw = b"".join(palette[image].tobytes() for image in (first, *images))
    done = subprocess.run(words, input=raw, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"ffmpeg failed: {said[-1] if said else 'no message'}", file=path, valid="a .gif")

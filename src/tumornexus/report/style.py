"""The visual language of the report: one palette, one font stack, one way to say how solid a statement is.

Hue means one thing only, the category of a mechanism (Okabe-Ito, safe for color-blind readers). How solid a
prediction is shows in the fill, never in hue: filled for trial-calibrated, tinted for class-extrapolated, hollow and
dashed for a mechanistic hypothesis. Crimson is kept for what is broken or refuted.
"""

from __future__ import annotations

import itertools

FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"

INK = "#17212b"
MUTED = "#55626f"
FAINT = "#8b97a3"
RULE = "#d5dbe1"
TRACK = "#eceff2"
PAPER = "#ffffff"
NAVY = "#1f4e79"
NAVY_TINT = "#9dbad6"
CRIMSON = "#9b1b3f"

CATEGORY = {"intrinsic": "#0072b2", "extrinsic": "#c75000", "host": "#00856a"}
CATEGORY_WORDS = {
    "intrinsic": "Cancer-cell intrinsic",
    "extrinsic": "Tumor microenvironment",
    "host": "Host",
}
PHENOTYPE = {"inflamed": "#b0517f", "excluded": "#d9a441", "desert": "#a9b4be"}

# Barrier height from passable to closed: lightness falls monotonically, so it also reads in gray.
_BARRIER_RAMP = ((0.0, (247, 228, 214)), (0.5, (221, 142, 117)), (1.0, (155, 27, 63)))

TIERS = ("trial-calibrated", "class-extrapolated", "mechanistic hypothesis")


def barrier_color(height: float) -> str:
    """Return the color of a barrier of height in [0, 1], darker where the step is more closed."""
    height = min(1.0, max(0.0, height))
    for (x0, c0), (x1, c1) in itertools.pairwise(_BARRIER_RAMP):
        if height <= x1:
            t = (height - x0) / (x1 - x0)
            return "#" + "".join(f"{round(a + (b - a) * t):02x}" for a, b in zip(c0, c1, strict=True))
    return CRIMSON


def category_color(category: str) -> str:
    """Return the hue of a mechanism category, gray for one that is unknown."""
    return CATEGORY.get(category, MUTED)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Estimate the width of `text` in px in a Helvetica-like face of `size` px, good to about 5 %.

    Exact metrics would need the reader's font, which the file does not carry; layouts keep that slack.
    """
    width = 0.0
    for char in text:
        if char in "iljI.,:;'|!()[]ft r-":
            width += 0.31
        elif char in "mwMW%@":
            width += 0.86
        elif char.isupper():
            width += 0.69
        else:
            width += 0.55
    return width * size * (1.06 if bold else 1.0)


def shorten(text: str, size: float, room: float, bold: bool = False) -> str:
    """Return `text`, cut with an ellipsis where it would not fit in `room` px."""
    if text_width(text, size, bold) <= room:
        return text
    while text and text_width(text + "…", size, bold) > room:
        text = text[:-1]
    return text.rstrip(" +,") + "…"


def wrap(text: str, size: float, room: float, lines: int = 2) -> list[str]:
    """Break `text` at spaces into at most `lines` lines of `room` px; the last is cut with an ellipsis."""
    words, out, line = text.split(), [], ""
    for index, word in enumerate(words):
        trial = f"{line} {word}".strip()
        if text_width(trial, size) <= room or not line:
            line = trial
        elif len(out) == lines - 1:
            line = " ".join([line, *words[index:]])
            break
        else:
            out.append(line)
            line = word
    if line:
        out.append(shorten(line, size, room))
    return out

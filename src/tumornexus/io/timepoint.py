"""When a sample was taken, from the many words that tables use: before treatment, on it, or after it."""

from __future__ import annotations

import re

WORDS: dict[str, frozenset[str]] = {
    "before": frozenset({"pre", "before", "baseline", "base", "screening", "untreated", "naive"}),
    "on": frozenset({"on", "edt", "during", "early", "ontx"}),
    "after": frozenset({"post", "after", "progression", "pd", "relapse", "recurrence", "eot", "off"}),
}
ORDER = tuple(WORDS)


def timepoint_of(value: object) -> str | None:
    """Return ``before``, ``on`` or ``after``; None where nothing is said; the word itself, in lower case, if unknown.

    Words such as "treatment" and "therapy" and anything after the first known word do not count: "Pre-treatment",
    "ON_TX day 29" and "post progression" are before, on and after.
    """
    text = str(value).strip().lower() if value is not None else ""
    if not text:
        return None
    for part in re.split(r"[^a-z]+", text):
        for when, words in WORDS.items():
            if part in words or any(part == w + t for w in ("pre", "on", "post") if w in words for t in _TREATED):
                return when
    return text


_TREATED = ("treatment", "tx", "therapy", "dose", "rx")


def is_before(value: object) -> bool:
    """Return whether a sample counts as taken before treatment: said so, or nothing said."""
    return timepoint_of(value) in (None, "before")

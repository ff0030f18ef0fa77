"""What to measure next, in the terminal and in the report."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pandas as pd
from rich.console import Console

from report.fake import fake_knowledge, fake_result
from tumornexus.report import print_summary
from tumornexus.report.next_steps import measure_rows, value_words
from tumornexus.report.page import page
from tumornexus.report.view import build_view

ROWS = [
    {"input": "stool metagenome", "information_bits": 0.16, "decision_value": 3.2, "low": 1.1, "high": 5.0,
     "resolved": True, "basis": "mechanistic hypotheses", "needs": "stool", "reason": "with <b>dysbiosis</b> A"},
    {"input": "PD-L1 stain", "information_bits": 0.15, "decision_value": 0.0, "low": 0.0, "high": 0.4,
     "resolved": False, "basis": "", "needs": "tumor tissue", "reason": "value not above the noise"},
]  # fmt: skip


def with_rows() -> SimpleNamespace:
    result = fake_result()
    result.measure_next = pd.DataFrame(ROWS)
    return result


def test_a_resolved_value_is_a_number_and_noise_is_not():
    first, second = measure_rows(with_rows())
    assert value_words(first) == "3.2 points (1.1–5.0), between mechanistic hypotheses"
    assert value_words(second) == "not above the noise of the draws, at most 0.4"
    assert measure_rows(fake_result()) == ()


def test_page_and_terminal_show_the_list_and_escape_it():
    result, knowledge = with_rows(), fake_knowledge()
    html = page(build_view(result, knowledge))
    assert "stool metagenome" in html
    assert "3.2 points" in html
    assert "&lt;b&gt;dysbiosis" in html
    out = io.StringIO()
    print_summary(result, Console(file=out, width=100, color_system=None), knowledge)
    assert "stool metagenome: 0.16 bits; 3.2 points" in out.getvalue()
    before = io.StringIO()
    print_summary(fake_result(), Console(file=before, width=100, color_system=None), knowledge)
    assert "What to measure next" not in before.getvalue()

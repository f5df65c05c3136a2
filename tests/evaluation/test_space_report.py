"""Diagnostics as a section of the report and as a page of their own."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from planted_space import planted_space
from test_report import ESSENTIAL, FORMS, FULL, Page

from recsys_cl.config import DiagnoseConfig, GateConfig
from recsys_cl.evaluation.alarms import NOT_COLLAPSED, alarms, alarms_of
from recsys_cl.evaluation.diagnosis_html import Diagnosis
from recsys_cl.evaluation.diagnostics import diagnose
from recsys_cl.evaluation.facts import Check, EvaluationReport, GateFacts
from recsys_cl.evaluation.picture import standalone
from recsys_cl.evaluation.report import read_report, write_report
from recsys_cl.evaluation.report_html import as_html
from recsys_cl.evaluation.space_findings import what_is_seen
from recsys_cl.evaluation.space_plots import space_plots

HEALTHY = planted_space()
SPACE = diagnose(HEALTHY, DiagnoseConfig())
BARE = diagnose(replace(HEALTHY, categories=None, titles=None, held_out=None), DiagnoseConfig())
COLLAPSED = diagnose(replace(HEALTHY, lists=HEALTHY.one_list), DiagnoseConfig())
LOOKED_INTO = FULL.model_copy(update={"diagnostics": SPACE})
PLOTS = {"cosines", "spectrum", "lengths", "normality", "lists", "information", "map"}


def page_of(diagnostics, **changes) -> str:
    facts = {
        "name": "toys",
        "version": "3",
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "package_version": "0.1.0",
        "diagnostics": diagnostics,
        "alarms": alarms(diagnostics, GateConfig()),
    }
    return Diagnosis(**(facts | changes)).as_html()


@pytest.mark.parametrize("text", [as_html(LOOKED_INTO), page_of(SPACE), page_of(BARE)], ids=["report", "page", "bare"])
def test_pages_are_whole_and_need_nothing_else(text):
    page = Page(text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert {reference[1:] for reference in page.refers} <= set(page.ids)
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|http", re.sub(r'xmlns[:\w]*="[^"]*"', "", text))


@pytest.mark.parametrize("svg", space_plots(SPACE).values(), ids=space_plots(SPACE))
def test_every_plot_is_sound_and_takes_its_colours_from_the_page(svg):
    ElementTree.fromstring(svg)  # noqa: S314 - drawn here
    assert not re.search(r"#0(?!00000)[0-9a-f]0[0-9a-f]0[0-9a-f]\b", svg)
    assert "var(--" in svg
    assert "var(--" not in standalone(svg)


def test_what_there_are_no_facts_for_is_not_drawn():
    assert set(space_plots(SPACE)) == PLOTS
    assert set(space_plots(BARE)) == PLOTS - {"information", "map"}
    assert "The log names no categories of items" in page_of(BARE)
    assert "Nothing was held out" in page_of(BARE)


@FORMS
def test_a_report_tells_of_the_space(form):
    text = form(LOOKED_INTO)
    assert "The space" in text
    assert "The space" not in form(ESSENTIAL)
    for sentence in what_is_seen(SPACE):
        assert sentence in text.replace("&#39;", "'")
    assert f"{SPACE.items.effective_rank:.1f}" in text
    assert f"{max(bound.by_popularity for bound in SPACE.information.bounds):.2f}" in text


@FORMS
def test_a_collapse_is_told_first(form):
    text = form(ESSENTIAL.model_copy(update={"diagnostics": COLLAPSED})).replace("&#39;", "'")
    assert text.index("All users are given nearly the same list") < text.index(what_is_seen(COLLAPSED)[0])
    assert "nearly the same list" not in form(LOOKED_INTO)


def test_the_gate_has_the_last_word_on_what_is_an_alarm():
    def judged(*checks: Check) -> EvaluationReport:
        gate = GateFacts(promoted=True, reason="", checks=checks)
        return ESSENTIAL.model_copy(update={"diagnostics": COLLAPSED, "gate": gate})

    assert alarms_of(judged(Check(name=NOT_COLLAPSED, passed=True, detail="Fine."))) == ()
    assert alarms_of(judged(Check(name=NOT_COLLAPSED, passed=False, detail="Not fine."))) == ("Not fine.",)
    assert len(alarms_of(judged(Check(name="finite", passed=True)))) == 1
    assert alarms_of(ESSENTIAL) == ()


def test_the_page_says_that_all_is_well_only_where_it_is():
    assert "No sign of collapse" in page_of(SPACE)
    assert "No sign of collapse" not in page_of(COLLAPSED)
    assert "All users are given nearly the same list" in page_of(COLLAPSED)


def test_names_and_titles_cannot_break_the_page():
    titles = ["<script>alert(1)</script>", "\N{CJK UNIFIED IDEOGRAPH-732B} $\\frac{$"] * 45
    kinds = [["<b>$x_1$"], ["a & b $\\nonsense{$"]] * 45
    text = page_of(diagnose(replace(HEALTHY, titles=titles, categories=kinds), DiagnoseConfig()), name="<b>toys")
    assert "\N{CJK UNIFIED IDEOGRAPH-732B} $\\frac{$" in text
    assert "a &amp; b $\\nonsense{$" in text
    assert "<script>" not in text
    assert "<b>toys" not in text
    assert Page(text).open == []


def test_what_is_written_can_be_read_and_equal_facts_give_equal_bytes(tmp_path):
    write_report(LOOKED_INTO, tmp_path)
    assert read_report(tmp_path) == LOOKED_INTO
    assert as_html(LOOKED_INTO) == as_html(LOOKED_INTO.model_copy())
    assert page_of(SPACE) == page_of(SPACE)

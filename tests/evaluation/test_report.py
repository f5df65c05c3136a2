"""Reports: what they say, that they say it in every form, and that pages need nothing else."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from recsys_cl.errors import IntegrityError
from recsys_cl.evaluation import findings, plots
from recsys_cl.evaluation.facts import (
    Check,
    DataFacts,
    Difference,
    Epoch,
    EvaluationReport,
    ExaminedFacts,
    FitFacts,
    GateFacts,
    GroupFacts,
    IndexFacts,
    Marks,
    RowFacts,
    SliceFacts,
    SplitFacts,
    TrainingFacts,
    TrialFacts,
)
from recsys_cl.evaluation.report import read_report, write_report
from recsys_cl.evaluation.report_html import as_html
from recsys_cl.evaluation.report_markdown import as_markdown

KS = (5, 20)
ACCURACY = ("recall", "ndcg", "hit_rate", "mrr", "map", "precision")
BEYOND = ("coverage", "gini", "popularity", "popularity_lift", "novelty")


def marks(name: str, role: str, level: float) -> Marks:
    accuracy = {f"{metric}_at_{k}": level * k / 20 for metric in ACCURACY for k in KS}
    figures = {f"recall_at_{k}": level for k in KS}
    return Marks(
        name=name,
        role=role,
        metrics=accuracy | {f"{metric}_at_{k}": level for metric in BEYOND for k in KS},
        intervals={metric: (value * 0.9, value * 1.1) for metric, value in accuracy.items()},
        cold={
            "with_history": GroupFacts(users=3, metrics={"recall_at_20": level / 2, "ndcg_at_20": level / 3}),
            "without_history": GroupFacts(users=0),
        },
        slices=(
            SliceFacts(by="history_length", label="1 to 2", users=4, metrics=figures),
            SliceFacts(by="history_length", label="3 to 5", users=6, metrics=figures),
            SliceFacts(by="item_popularity", label="head", users=9, metrics=figures),
        ),
    )


def difference(baseline: str, low: float, high: float) -> Difference:
    return Difference(
        baseline=baseline, metric="recall_at_20", difference=(low + high) / 2, low=low, high=high, probability=0.5
    )


ESSENTIAL = EvaluationReport(
    name="toys",
    created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    package_version="0.1.0",
    evaluated_on="train",
    data=DataFacts(source="toys.csv"),
    examined=ExaminedFacts(
        users=14,
        headline=10,
        nothing_new=1,
        cold_with_history=3,
        cold_without_history=0,
        relevant=30,
        unknown=6,
        repeats=2,
        catalogue=50,
        recall_ceiling=0.8,
    ),
    marks=(marks("two_tower", "model", 0.5), marks("popularity", "baseline", 0.2)),
)
FULL = ESSENTIAL.model_copy(
    update={
        "registered_on": "all",
        "data": DataFacts(
            source="made up",
            synthetic=True,
            digest="d1" * 32,
            users=14,
            items=50,
            interactions=300,
            rows=RowFacts(read=330, kept=300, filtered=20, quarantined=10, reasons={"missing_user_id": 10}),
        ),
        "split": SplitFacts(kind="time", cutoffs=(datetime(2025, 1, 1, tzinfo=UTC),), rows={"train": 250, "test": 50}),
        "marks": (
            marks("two_tower", "model", 0.5),
            marks("popularity", "baseline", 0.2),
            marks("item_knn", "baseline", 0.6),
        ),
        "skipped": {"ease": "the catalogue is too large"},
        "differences": (difference("popularity", 0.2, 0.4), difference("item_knn", -0.15, -0.05)),
        "training": TrainingFacts(
            curve=(Epoch(epoch=1, loss=5.0, validation=0.1), Epoch(epoch=2, loss=4.0, validation=0.2)), best_epoch=2
        ),
        "index": IndexFacts(
            kind="hnsw",
            parameters={"efSearch": 64},
            recall=0.995,
            ms_per_query=0.1,
            bytes=2048,
            tried=(TrialFacts(kind="hnsw", parameters={"efSearch": 64}, recall=0.995, ms_per_query=0.1),),
        ),
        "gate": GateFacts(promoted=False, reason="Worse than version 2.", checks=(Check(name="finite", passed=True),)),
        "seconds": {"train": 3.0, "evaluate": 1.0},
    }
)
FORMS = pytest.mark.parametrize("form", [as_html, as_markdown])


class Page(HTMLParser):
    """What a page refers to, its ids, and whether its elements are closed in order."""

    VOID = frozenset({"meta", "br", "link", "img", "path", "use", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.refers += [value for key, value in named.items() if key in {"src", "href", "xlink:href"} and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("report", [ESSENTIAL, FULL], ids=["essential", "full"])
def test_a_page_is_whole_and_needs_nothing_else(report):
    text = as_html(report)
    page = Page(text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert all(reference.startswith("#") for reference in page.refers)
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)", text)
    assert {reference[1:] for reference in page.refers} <= set(page.ids)


def test_equal_reports_give_equal_bytes():
    assert as_html(FULL) == as_html(FULL.model_copy())
    assert as_markdown(FULL) == as_markdown(FULL.model_copy())


def test_every_plot_is_sound_xml_and_takes_its_colours_from_the_page():
    drawn = plots.all_plots(FULL)
    assert set(drawn) == {"recall", "history_length", "item_popularity", "catalogue", "training"}
    for svg in drawn.values():
        ElementTree.fromstring(svg)  # noqa: S314 - drawn here
        assert not re.search(r"#0[1-9]0[1-9]0[1-9]", svg)
        assert "var(--model)" in svg


def test_what_a_run_lacks_is_left_out():
    assert set(plots.all_plots(ESSENTIAL)) == {"recall", "history_length", "item_popularity", "catalogue"}
    page = as_html(ESSENTIAL)
    for title in ("Training", "Index", "Gate", "Time", "Against the baselines"):
        assert f"<h2>{title}</h2>" not in page
        assert f"<h2>{title}</h2>" in as_html(FULL)


def test_a_report_without_anyone_to_ask_can_be_shown():
    nobody = ESSENTIAL.examined.model_copy(update={"headline": 0})
    silent = [mark.model_copy(update={"intervals": {}, "slices": (), "cold": {}}) for mark in ESSENTIAL.marks]
    report = ESSENTIAL.model_copy(update={"examined": nobody, "marks": tuple(silent)})
    assert "0 users" in as_html(report)
    assert "0 users" in as_markdown(report)


@FORMS
def test_it_says_which_baseline_beats_the_model_and_which_does_not(form):
    text = form(FULL)
    assert "Item-kNN beats the model in Recall@20 by 0.1000" in text
    assert "The model beats popularity in Recall@20 by 0.3000" in text
    assert text.index("Item-kNN beats") < text.index("The model beats")


def test_a_difference_that_may_be_chance_is_called_so():
    report = FULL.model_copy(update={"differences": (difference("item_knn", -0.05, 0.03),)})
    assert "cannot be told apart" in findings.verdicts(report)[0]
    assert findings.beaten_by(report) == []
    assert findings.beaten_by(FULL) == ["item_knn"]


@FORMS
def test_it_says_what_a_reader_must_know(form):
    text = form(FULL)
    for told in (
        "The log is synthetic",
        "The marks are of a model fitted on the training part.",
        "fitted once more on all data, the test part included",
        "3 cold users are marked apart: 3 with a history, 0 without",
        "1 test users did nothing new",
        "2 test interactions repeat",
        "6 of 30 relevant items were never seen in training",
        "no ranking could recall more than 0.8000",
        "missing user id",
        "EASE was left out: the catalogue is too large.",
        "Not promoted",
        "Worse than version 2.",
    ):
        assert told in text
    assert "synthetic" not in form(ESSENTIAL)


@FORMS
def test_it_says_how_the_towers_were_made_and_how_that_was_chosen(form):
    assert "Its towers were made" not in form(FULL)  # as told of runs of old
    told = ("Of 15 trials of exponents the best had user exponent 0.2.", "The closed form has 256 dimensions.")
    training = TrainingFacts(method="spectral", dim=256, told=told, curve=(), best_epoch=0)
    text = form(FULL.model_copy(update={"training": training}))
    assert "Its towers were made so: closed form, 256 dimensions." in text
    assert all(sentence in text for sentence in told)
    assert "Popularity counts for nothing beside the towers." in text
    assert "Mean loss" not in text  # there were no epochs to draw


FITS = (
    FitFacts(name="joined_both", method="joined", dim=160, parts=("spectral", "hybrid", "two"), validation=0.3),
    FitFacts(name="spectral", method="spectral", dim=32, validation=0.28),
    FitFacts(name="hybrid", method="hybrid", dim=64, taught=True, validation=0.2),
    FitFacts(name="two", method="hybrid", dim=64, readings=2, validation=0.1),
)


def training_that_kept(name: str, fits: tuple[FitFacts, ...] = FITS) -> TrainingFacts:
    kept = next(fit for fit in fits if fit.name == name)
    curve = (Epoch(epoch=1, loss=5.0),)
    return TrainingFacts(
        method=kept.method,
        dim=kept.dim,
        kept=name,
        tried=fits,
        curve=curve,
        best_epoch=1,
        validation_metric="ndcg_at_20",
    )


@FORMS
def test_it_says_which_of_all_that_was_fitted_was_kept_with_the_figures_of_all(form):
    text = form(FULL.model_copy(update={"training": training_that_kept("joined_both")}))
    made = (
        "closed form beside gradient descent with a teacher beside gradient descent without a teacher, with two "
        "readings of histories"
    )
    assert f"Its towers were made so: {made}, 160 dimensions; kept of 4 that were fitted." in text
    assert (
        f"Of 4 that were fitted this was kept: {made}, NDCG@20 0.3000 on validation, 0.0200 ahead of closed form."
        in text
    )
    rows = [line for line in text.replace("</tr>", "\n").splitlines() if re.search(r"\b0\.(30|28|20|10)00\b", line)]
    assert [re.findall(r"\b0\.(\d\d)00\b|\b(kept)\b", row) for row in rows[-4:]] == [
        [("30", ""), ("", "kept")],
        *([(figure, "")] for figure in ("28", "20", "10")),
    ]
    assert ("Of the part learned by gradient descent" in text) == (form is as_html)


def test_what_was_kept_though_another_had_a_higher_figure_is_told_so():
    behind = findings.kept_of(training_that_kept("spectral"))[0]
    assert "0.0200 behind closed form beside gradient descent with a teacher beside" in behind
    equal = (FITS[1], FITS[2].model_copy(update={"validation": 0.28}))
    assert "level with gradient descent with a teacher." in findings.kept_of(training_that_kept("spectral", equal))[0]


@FORMS
def test_of_one_fit_alone_nothing_is_said_to_have_been_chosen(form):
    text = form(FULL.model_copy(update={"training": training_that_kept("spectral", FITS[1:2])}))
    assert "Its towers were made so: closed form, 32 dimensions." in text
    assert "What was fitted" not in text


def test_the_same_model_registered_is_said_in_a_sentence():
    same = ESSENTIAL.model_copy(update={"registered_on": "train"})
    assert "That very model is the one registered." in findings.provenance(same)
    assert len(findings.provenance(ESSENTIAL)) == 1


def test_the_best_of_a_column_is_bold_in_both_forms():
    assert '<td class="best">0.6000<small>0.5400 to 0.6600</small></td>' in as_html(FULL)
    assert "**0.6000** (0.5400 to 0.6600)" in as_markdown(FULL)


@FORMS
def test_names_from_outside_cannot_break_the_form(form):
    report = ESSENTIAL.model_copy(
        update={"name": "<b>a|b</b>", "data": DataFacts(source="<script>alert(1)</script>\n| x |")}
    )
    text = form(report)
    if form is as_html:
        assert "<script>" not in text
        assert "&lt;b&gt;a|b" in text
    else:
        assert "a\\|b" in text
        assert "\n| x |" not in text


@pytest.mark.parametrize("report", [ESSENTIAL, FULL], ids=["essential", "full"])
def test_what_is_written_can_be_read(tmp_path, report):
    write_report(report, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
    assert read_report(tmp_path / "out") == report


def test_a_later_report_with_more_in_it_can_be_read():
    facts = json.loads(FULL.to_json()) | {"invented_later": 1}
    assert EvaluationReport.from_json(json.dumps(facts)) == FULL


def test_no_number_is_nan():
    with pytest.raises(ValidationError):
        Marks(name="x", role="model", metrics={"recall_at_20": float("nan")})


@pytest.mark.parametrize("damage", [None, b"{", b"\xff", b'{"name": "toys"}'])
def test_a_damaged_report_is_refused_by_name(tmp_path, damage):
    if damage is not None:
        (tmp_path / "report.json").write_bytes(damage)
    with pytest.raises(IntegrityError, match=r"report\.json"):
        read_report(tmp_path)


def test_names_and_numbers_as_people_write_them():
    assert findings.metric_label("ndcg_at_20") == "NDCG@20"
    assert findings.metric_label("hit_rate_at_5") == "Hit rate@5"
    assert findings.label("recent_popularity") == "Recent popularity"
    assert findings.number(-0.00001) == "0.0000"
    assert findings.signed(-0.5) == "\N{MINUS SIGN}0.5000"


@FORMS
def test_it_says_what_each_index_loses_and_keeps_of_an_item(form):
    tried = (
        TrialFacts(kind="exact", recall=1.0, ms_per_query=0.2, bytes_per_item=4096.0),
        TrialFacts(kind="sq8", recall=0.9875, ms_per_query=0.3, bytes_per_item=1024.4),
    )
    index = IndexFacts(
        kind="sq8", recall=0.9875, ms_per_query=0.3, bytes=42_000_000, bytes_per_item=1024.4, tried=tried
    )
    text = form(FULL.model_copy(update={"index": index}))
    assert "0.0125 lost" in text
    for shown in ("Bytes an item", "4,096", "1,024"):
        assert shown in text

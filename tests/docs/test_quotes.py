"""What the course on contrastive learning quotes, links to and tells to run is so."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
import torch

from benchmarks import quote_results
from recsys_cl.cli import main
from recsys_cl.config import RunConfig, load_config
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.mixture import OBJECTIVES, TEMPERINGS
from recsys_cl.contrast.objectives.simclr import AUGMENTATIONS
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError
from recsys_cl.families import member, members
from recsys_cl.options import SettingOption
from recsys_cl.settings import Method
from recsys_cl.stages.contenders import read_contenders
from recsys_cl.stages.foresight import require_sound
from recsys_cl.towers.two_tower import SIMILARITIES

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "docs" / "contrastive"
PAGES = sorted(COURSE.rglob("*.md"))
FAMILIES = {
    "losses": LOSSES,
    "similarities": SIMILARITIES,
    "temperings": TEMPERINGS,
    "objectives": OBJECTIVES,
    "augmentations": AUGMENTATIONS,
}
INFO_NCE = {"method": "info_nce", "recall_at_20": {"runs": [0.1, 0.3]}, "ndcg_at_20": {"runs": [0.2, 0.2]}}
BPR = {"method": "bpr", "recall_at_20": {"runs": [0.12345]}, "ndcg_at_20": {"runs": [1.0]}}
RESULTS = {"logs": {"one": {"rows": [INFO_NCE, BPR]}, "two": {"rows": [BPR]}}}

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\w*)\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)
_QUOTE = re.compile(r"^<!-- quote: (?P<path>\S+)(?: (?P<name>[\w.]+))? -->\n```python\n(?P<body>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_MATH = re.compile(r"^\$\$\n(?P<display>.*?)^\$\$$|(?P<inline>\$[^$\n]+\$)", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(COURSE).as_posix()


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def source_of(path: str, name: str | None) -> list[str]:
    """Return the lines of a file, or of the function or class in it that a dotted name tells, decorators included."""
    text = (ROOT / path).read_text(encoding="utf-8")
    scope: ast.Module | ast.ClassDef | ast.FunctionDef = ast.parse(text)
    lines = text.splitlines()
    for part in (name or "").split(".") if name else []:
        found = [node for node in scope.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == part]
        assert found, f"{path} has no {name}"
        scope = found[0]
    if isinstance(scope, ast.Module):
        return lines
    first = min([scope.lineno, *(one.lineno for one in scope.decorator_list)])
    return lines[first - 1 : scope.end_lineno]


def dedented(lines: list[str]) -> list[str]:
    return textwrap.dedent("\n".join(lines)).splitlines()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_quoted_is_what_the_code_says(page):
    quotes = list(_QUOTE.finditer(text_of(page)))
    blocks = [block for block in _FENCE.finditer(text_of(page)) if block["language"] == "python"]
    assert len(quotes) == len(blocks), "a block of Python has no mark <!-- quote: PATH NAME --> right above it"
    for quote in quotes:
        wanted, source = quote["body"].splitlines(), source_of(quote["path"], quote["name"])
        runs = (source[start : start + len(wanted)] for start in range(len(source) - len(wanted) + 1))
        assert any(dedented(run) == wanted for run in runs), f"{quote['path']} {quote['name']} now reads otherwise"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    prose = _FENCE.sub("", text_of(page))
    for link in _LINK.finditer(prose):
        target, _, anchor = link["target"].partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        found = (page.parent / unquote(target)).resolve() if target else page
        assert found.exists(), f"{link['target']} leads nowhere"
        assert not anchor or anchor in anchors_of(found), f"{found.name} has no heading for #{anchor}"


@cache
def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(page: Path) -> list[str]:
    blocks = [block["body"] for block in _FENCE.finditer(text_of(page)) if block["language"] in {"", "sh"}]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.removeprefix("$ ").startswith("recsys-cl ")]


COMMANDS = [(name_of(page), command) for page in PAGES for command in commands_of(page)]


def settings_of(command: str) -> RunConfig:
    """Return the settings that a command asks for, looked at as the command itself would before it began."""
    _, verb, *arguments = shlex.split(command, comments=True)
    given = main.commands[verb].make_context(verb, arguments)
    settings = {option.name for option in given.command.params if isinstance(option, SettingOption)}
    values = {name: value for name, value in given.params.items() if name in settings and value is not None}
    config = load_config(None, values)
    require_sound(config, until=verb)
    return config


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[f"{page}: {command}" for page, command in COMMANDS])
def test_commands_would_run(page, command):
    assert isinstance(settings_of(command), RunConfig)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("recsys-cl train --sample --los bpr", click.UsageError),
        ("recsys-cl train --sample --loss bprr", ConfigError),
        ("recsys-cl train --sample --loss triplet:margn=1", ConfigError),
        ("recsys-cl train --sample --objective byol", ConfigError),
        ("recsys-cl train --sample --temperature 0", ConfigError),
    ],
)
def test_a_command_that_would_not_run_is_noticed(command, error):
    with pytest.raises(error):
        settings_of(command)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_has_a_section_with_its_code_a_command_and_its_result(family):
    _, *sections = re.split(r"^## ", text_of(COURSE / "methods" / f"{family}.md"), flags=re.MULTILINE)
    told = {match[1]: section for section in sections if (match := re.match(r"`(\w+)`", section))}
    assert sorted(told) == members(FAMILIES[family])
    for name, section in told.items():
        assert "<!-- quote: " in section, name
        assert "recsys-cl " in section, name
        assert len(quote_results.marked(section)) >= 1, name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_results_are_of_methods_that_are_compared(page):
    assert set(quote_results.marked(text_of(page))) <= set(read_contenders(None).methods)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_figures_are_those_that_were_measured(page):
    assert quote_results.filled(text_of(page), quote_results.stored()) == text_of(page), (
        "run python -m benchmarks.quote_results"
    )


def test_results_are_filled_in_below_their_marks():
    page = "a\n\n<!-- result: info_nce -->\nold\n\n<!-- result: bpr -->\n\nb\n<!-- result: none -->\nold"
    found = quote_results.filled(page, RESULTS)
    assert found == (
        "a\n\n<!-- result: info_nce -->\n"
        "Measured, recall@20 / NDCG@20 on the test part: one .2000 ± .1000 / .2000 ± .0000 (2 seeds).\n\n"
        "<!-- result: bpr -->\n"
        "Measured, recall@20 / NDCG@20 on the test part: one .1235 / 1.0000; two .1235 / 1.0000.\n"
        f"b\n<!-- result: none -->\n{quote_results.NOT_YET}"
    )
    assert quote_results.filled(found, RESULTS) == found
    assert quote_results.marked(page) == ["info_nce", "bpr", "none"]


def test_the_worked_example_is_what_the_losses_give():
    page = text_of(COURSE / "04-losses.md")
    rows = re.findall(r"^\| `(?P<method>\w+[^`]*)` \| (?P<figures>[-\d. |]+) \|$", page, re.MULTILINE)
    assert len(rows) >= 10
    for written, figures in rows:
        method = Method.model_validate(written)
        module = member(LOSSES, method.name)
        candidates = torch.tensor([[0.5], [0.6], [0.3], [0.0], [-0.3]], dtype=torch.float64, requires_grad=True)
        nobody = torch.zeros(0, dtype=torch.int64)
        one, zeros = torch.ones(1, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
        contrast = Contrast(one[None], candidates, zeros, one, torch.tensor([0]), nobody, one, one[0] / 10)
        loss = module.loss(contrast, module.Config.of(method.settings))
        loss.backward()
        found = [float(loss.detach()), *(-candidates.grad[:, 0]).tolist()]
        assert [float(figure) for figure in figures.split("|")] == pytest.approx(found, abs=0.0051), written


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_formulas_survive_markdown(page):
    """Markdown takes emphasis, escapes and tags out of formulas before GitHub renders them."""
    prose = re.sub(r"`[^`\n]+`", "", _FENCE.sub("", text_of(page)))
    for math in _MATH.finditer(prose):
        formula = math["display"] or math["inline"]
        broken = re.search(r"\\[^A-Za-z\s]|[^A-Za-z0-9]_|[*<>~]|\]\(|\n\n", formula)
        assert not broken, f"{broken[0]!r} in {formula}"
        if math["inline"]:
            before, after = prose[: math.start()][-1:], prose[math.end() :][:1]
            assert before in {"", " ", "\n", "("}, f"{before!r} before {formula}"
            assert after in {"", " ", "\n", ")", ",", ".", ";", ":", "?"}, f"{after!r} after {formula}"
            assert formula[1] != " ", formula
            assert formula[-2] != " ", formula
    assert "$" not in _MATH.sub("", prose), "a dollar sign begins no formula"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_chapters_can_be_read_in_one_sitting(page):
    assert len(text_of(page).splitlines()) <= 320

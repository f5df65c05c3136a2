"""Reports on disk: JSON for programs, Markdown for a terminal or a pull request, one HTML page for people."""

from __future__ import annotations

from pathlib import Path

from recsys_cl.errors import IntegrityError
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.evaluation.report_html import as_html
from recsys_cl.evaluation.report_markdown import as_markdown
from recsys_cl.files import whole_file

__all__ = ["EvaluationReport", "read_report", "write_report"]

JSON_NAME, MARKDOWN_NAME, HTML_NAME = "report.json", "report.md", "report.html"


def write_report(report: EvaluationReport, folder: Path) -> None:
    """Write ``report`` into ``folder`` as `report.json`, `report.md` and `report.html`, each whole or not at all.

    Equal reports give equal bytes. The page holds everything it needs and asks nothing of the network.

    Raises:
        StorageError: the disk is full or the place may not be written.
    """
    written = {JSON_NAME: report.to_json(), MARKDOWN_NAME: as_markdown(report), HTML_NAME: as_html(report)}
    for name, text in written.items():
        with whole_file(folder / name) as scratch:
            scratch.write_text(text, encoding="utf-8")


def read_report(folder: Path) -> EvaluationReport:
    """Read the report that `write_report` wrote into ``folder``.

    Raises:
        IntegrityError: it is missing or damaged; the message names the file.
    """
    path = folder / JSON_NAME
    try:
        return EvaluationReport.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise IntegrityError(f"{path} is missing: no evaluation was written there.") from error
    except (UnicodeDecodeError, IntegrityError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}") from error

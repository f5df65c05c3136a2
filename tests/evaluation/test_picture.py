"""A plot outside its page: all colours its own, nothing cut off, the whole of it in one address."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import pytest

from recsys_cl.evaluation.picture import data_uri, standalone

SVG = (
    '<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 200">'
    '<path d="M0 0H9" style="stroke: var(--model)"/><text style="fill: var(--baseline-5)">k</text></svg>'
)


def test_a_plot_by_itself_needs_nothing_from_a_page():
    alone = standalone(SVG, width=848)
    assert "var(" not in alone
    root = ElementTree.fromstring(alone)  # noqa: S314 - made here
    left, top, across, down = map(float, root.attrib["viewBox"].split())
    assert left < 0 > top
    assert (left + across, top + down) == (400 - left, 200 - top), "the margin is the same on all sides"
    assert (int(root.attrib["width"]), int(root.attrib["height"])) == (848, 848 * down // across)
    assert "background:#fff" in root.attrib["style"]


def test_an_address_holds_the_whole_picture():
    head, _, body = data_uri(SVG).partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(body).decode() == SVG


def test_what_is_no_plot_is_refused():
    with pytest.raises(ValueError, match="viewBox"):
        standalone("<svg/>")

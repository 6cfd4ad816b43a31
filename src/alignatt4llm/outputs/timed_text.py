"""Cues in the Timed Text Markup Language, as its profile IMSC 1.1 for text has it."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from xml.etree import ElementTree

from ttconv.imsc import writer
from ttconv.imsc.attributes import TimeExpressionSyntaxEnum
from ttconv.imsc.config import IMSCWriterConfiguration
from ttconv.model import Body, Br, ContentDocument, Div, P, Region, Span, Text
from ttconv.style_properties import (
    CoordinateType,
    DisplayAlignType,
    ExtentType,
    LengthType,
    StyleProperties,
    TextAlignType,
)

from alignatt4llm.outputs.cues import Cue

_BEFORE, _AFTER = "<div>", "</div>"


@cache
def around(code: str) -> tuple[str, str]:
    """Return what stands before and after the cues in a language."""
    before, _, after = _written([Cue(("",), 0, 1)], code).partition(_BEFORE)
    xml = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{xml}{before}{_BEFORE}\n", _AFTER + after.partition(_AFTER)[2] + "\n"


def paragraph(cue: Cue) -> str:
    """Return a cue, as it stands between the two parts of `around`."""
    return _written([cue], "").partition(_BEFORE)[2].rpartition(_AFTER)[0] + "\n"


def _written(cues: Sequence[Cue], code: str) -> str:
    clock = IMSCWriterConfiguration(time_format=TimeExpressionSyntaxEnum.clock_time)
    tree = writer.from_model(_document(cues, code), clock)
    return ElementTree.tostring(tree.getroot(), encoding="unicode")


def _document(cues: Sequence[Cue], code: str) -> ContentDocument:
    document = ContentDocument()
    document.set_lang(code)
    body, column = Body(document), Div(document)
    body.set_region(_bottom(document))
    document.set_body(body)
    body.push_child(column)
    for cue in cues:
        column.push_child(_shown(cue, document))
    return document


def _bottom(document: ContentDocument) -> Region:
    """Return the region of all cues: the middle of the picture, from its bottom up."""
    region, percent = Region("bottom", document), LengthType.Units.pct
    origin, size = LengthType(10, percent), LengthType(80, percent)
    region.set_style(StyleProperties.Origin, CoordinateType(x=origin, y=origin))
    region.set_style(StyleProperties.Extent, ExtentType(width=size, height=size))
    region.set_style(StyleProperties.DisplayAlign, DisplayAlignType.after)
    region.set_style(StyleProperties.TextAlign, TextAlignType.center)
    document.put_region(region)
    return region


def _shown(cue: Cue, document: ContentDocument) -> P:
    paragraph = P(document)
    paragraph.set_begin(Fraction(cue.start, 1000))
    paragraph.set_end(Fraction(cue.end, 1000))
    for number, line in enumerate((*cue.lines, *cue.below)):
        if number:
            paragraph.push_child(Br(document))
        span = Span(document)
        span.push_child(Text(document, line))
        paragraph.push_child(span)
    return paragraph

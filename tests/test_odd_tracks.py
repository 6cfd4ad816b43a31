"""Which of several sound tracks is heard, and that it is said. One row a container."""

from typing import Any, NamedTuple

import pytest
from av.stream import Disposition
from odd import Track, assert_tones, heard, odd, one, tones

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.errors import UsageError
from alignatt4llm.text.languages import language

DEFAULT, COMMENT = int(Disposition.default), int(Disposition.comment)
SEEING, HEARING = int(Disposition.visual_impaired), int(Disposition.hearing_impaired)
ENGLISH: dict[str, Any] = {"language": language("en")}


class Row(NamedTuple):
    """Tracks by tag and flags, the number of the one that is heard, and what is asked for."""

    name: str
    tracks: list[tuple[str, int]]
    number: int
    options: dict[str, Any] | None = None
    container: str = "matroska"


ROWS = [
    Row("C07: the second is default", [("fre", 0), ("eng", DEFAULT)], 2),
    Row("default goes before the language", [("eng", 0), ("fre", DEFAULT)], 2, ENGLISH),
    Row("the language, none is default", [("fre", 0), ("eng", 0)], 2, ENGLISH),
    Row("the language, all are default", [("fre", DEFAULT), ("eng", DEFAULT)], 2, ENGLISH),
    Row("a tag of two letters", [("fr", 0), ("en", 0)], 2, ENGLISH),
    Row("a tag with a country", [("fr-FR", 0), ("en-US", 0)], 2, ENGLISH),
    Row("a tag that says nothing", [("und", 0), ("eng", 0)], 2, ENGLISH),
    Row("the first, no language is known", [("fre", 0), ("eng", 0)], 1),
    Row("the first, no tag is known", [("und", 0), ("qaa", 0)], 1, ENGLISH),
    Row("no commentary", [("eng", COMMENT), ("eng", 0)], 2, ENGLISH),
    Row("no commentary, though default", [("eng", COMMENT | DEFAULT), ("fre", 0)], 2),
    Row("no description of pictures", [("eng", SEEING), ("eng", 0)], 2, ENGLISH),
    Row("nothing for the hard of hearing", [("eng", HEARING), ("eng", 0)], 2, ENGLISH),
    Row("a commentary, where there is nothing else", [("eng", COMMENT), ("fre", COMMENT)], 1),
    Row("the one asked for", [("fre", 0), ("eng", DEFAULT)], 1, {"track": 1}),
    Row("the third", [("fre", 0), ("eng", DEFAULT), ("ger", 0)], 3, {"track": 3}),
    Row("in MP4", [("fre", 0), ("eng", DEFAULT)], 2, None, "mp4"),
    Row("in a transport stream", [("fre", 0), ("eng", 0)], 2, ENGLISH, "mpegts"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_one_of_several_tracks_is_heard_and_said(row: Row) -> None:
    """The tone of a track is at half a second times its number."""
    made = [
        Track(tones([number / 2], 2), "ac3", language=tag, flags=flags)
        for number, (tag, flags) in enumerate(row.tracks, 1)
    ]
    samples, kinds = heard(odd(row.container, *made), **(row.options or {}))
    assert_tones(samples, [row.number / 2])
    assert kinds == ["track"]


def test_what_is_said_names_number_language_and_title(tmp_path) -> None:
    sound = tones([0.5], 1)
    path = tmp_path / "film.mkv"
    path.write_bytes(
        odd(
            "matroska",
            Track(sound, "ac3", language="fre", title="Version\x1b[31m originale", flags=0),
            Track(sound, "ac3", language="eng", flags=DEFAULT),
            Track(sound, "ac3", language="eng", flags=COMMENT),
        )
    )
    (notice,) = AudioSource(str(path)).notices
    assert "3 sound tracks; heard is 2 (English, default), and not 1 (French" in notice.text
    assert "3 (English, commentary)" in notice.text
    assert "\x1b" not in notice.text
    assert notice.audio_s == 0


def test_a_single_track_needs_no_word() -> None:
    _, kinds = heard(one("matroska", "ac3", tones([0.5], 1), 48_000), track=1)
    assert kinds == []


@pytest.mark.parametrize(
    ("tracks", "number", "said"), [(1, 2, "only track 1"), (2, 0, "1 to 2"), (2, -1, "1 to 2")]
)
def test_a_track_that_is_not_there_is_told(tracks: int, number: int, said: str) -> None:
    content = odd("matroska", *[Track(tones([0.5], 1), "ac3")] * tracks)
    with pytest.raises(UsageError, match=said):
        heard(content, track=number)

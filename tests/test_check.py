"""``alignatt check`` on subtitles that are good and bad, with verdicts by hand."""

import json

import pytest

from alignatt4llm.cli.main import main
from alignatt4llm.outputs.check import violations, within
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.rules import rules_for
from alignatt4llm.text.languages import language

HELLO = "Guten Tag, meine Damen und Herren."  # 34 characters: 2 s at 17 a second
ZH = "今天我们讨论语言模型的同声传译"  # 15 characters: 1.667 s at 9 a second


def srt(*cues):
    """Cues as (start, end, lines) in milliseconds, as SRT."""

    def clock(ms):
        return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"

    return "".join(
        f"{n}\n{clock(start)} --> {clock(end)}\n{lines}\n\n"
        for n, (start, end, lines) in enumerate(cues, 1)
    )


VERDICTS = {
    "good": ("netflix-de", [(0, 2000, HELLO), (2084, 4084, HELLO)], []),
    "a file without cues": ("netflix-de", [], []),
    "times rounded down": ("netflix-de", [(0, 833, "Ja."), (916, 1749, "Ja.")], []),
    "a pause": ("netflix-de", [(0, 2000, HELLO), (2500, 4500, HELLO)], []),
    "too fast": ("netflix-de", [(0, 1900, HELLO)], [(1, "speed")]),
    "fast enough in English": ("netflix-en", [(0, 1900, HELLO)], []),
    "markup is not read": ("netflix-de", [(0, 2000, f"<i>{HELLO}</i>")], []),
    "a line of 43": ("netflix-de", [(0, 3000, "x" * 43)], [(1, "line")]),
    "a line of 42": ("netflix-de", [(0, 3000, "x" * 42)], []),
    "accents count once": ("netflix-de", [(0, 3000, "e\u0301" * 42)], []),
    "marks of direction do not count": ("netflix-he", [(0, 3000, f"\u200f{'א' * 42}\u200f")], []),
    "three lines": ("netflix-de", [(0, 2000, "eins\nzwei\ndrei")], [(1, "lines")]),
    "too short": ("netflix-de", [(0, 800, "Ja.")], [(1, "shortest")]),
    "too long": ("netflix-de", [(0, 7100, HELLO)], [(1, "longest")]),
    "one frame": ("netflix-de", [(0, 2000, HELLO), (2042, 4042, HELLO)], [(1, "gap")]),
    "no gap": ("netflix-de", [(0, 2000, HELLO), (2000, 4000, HELLO)], [(1, "gap")]),
    "a gap to be closed": ("netflix-de", [(0, 2000, HELLO), (2300, 4300, HELLO)], [(1, "bridge")]),
    "an overlap": ("netflix-de", [(0, 2000, HELLO), (1900, 4000, HELLO)], [(1, "overlap")]),
    "out of order": ("netflix-de", [(5000, 7000, HELLO), (0, 2000, HELLO)], []),
    "ends before it begins": ("netflix-de", [(2000, 1000, HELLO)], [(1, "order")]),
    "no duration": ("netflix-de", [(2000, 2000, HELLO)], [(1, "order")]),
    "everything at once": (
        "netflix-de",
        [(0, 500, f"{'x' * 50}\ny\nz"), (550, 1000, "Ja.")],
        [(1, "line"), (1, "lines"), (1, "speed"), (1, "shortest"), (1, "gap"), (2, "shortest")],
    ),
    "Chinese": ("netflix-zh", [(0, 1700, ZH)], []),
    "Chinese too fast": ("netflix-zh", [(0, 1500, ZH)], [(1, "speed")]),
    "a Chinese line of 17": ("netflix-zh", [(0, 2100, ZH + "很好")], [(1, "line")]),
    "Latin letters are half as wide": ("netflix-zh", [(0, 2000, "用Transformer模型翻译很好")], []),
    "Japanese": ("netflix-ja", [(0, 2100, "始発列車は朝七")], []),
    "Korean": ("netflix-ko", [(0, 1050, "우리는 오늘 모델을 봅니다")], []),
    "Thai": ("netflix-th", [(0, 3000, "ก" * 36)], [(1, "line")]),
    "the BBC's line": ("bbc", [(0, 4000, "x" * 38)], [(1, "line")]),
    "the BBC's gap": ("bbc", [(0, 2000, HELLO), (3000, 5000, HELLO)], [(1, "bridge")]),
    "no gap at the BBC": ("bbc", [(0, 2000, HELLO), (2000, 4000, HELLO)], []),
    "upright video": ("social", [(0, 1000, "zwei\nZeilen")], [(1, "lines")]),
    "YouTube": ("youtube", [(0, 2000, HELLO), (2001, 4000, HELLO)], []),
}
"""Rules, cues, and which of them break what."""


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_by_hand(tmp_path, capsys, name):
    rules, cues, expected = VERDICTS[name]
    path = tmp_path / "a.srt"
    path.write_text(srt(*cues), "utf-8")
    assert main(["check", str(path), "--rules", rules, "--json", str(tmp_path / "a.json")]) == bool(
        expected
    )
    (report,) = json.loads((tmp_path / "a.json").read_text("utf-8"))
    found = [(one["cue"], one["rule"]) for one in report["violations"]]
    assert sorted(found) == sorted(expected)
    assert report["cues"] == len(cues)
    wrong = {cue for cue, _ in expected}
    assert report["within"] == pytest.approx(1 - len(wrong) / len(cues) if cues else 1, abs=1e-4)
    out = capsys.readouterr().out
    assert out.count(f"{path}:") == len(expected) + 1


def test_every_violation_is_told_with_its_time_and_text(tmp_path, capsys):
    path = tmp_path / "a.srt"
    path.write_text(srt((3723000, 3724000, HELLO), (3724500, 3725500, "Ja.")), "utf-8")
    assert main(["check", str(path), "--rules", "netflix-de"]) == 1
    assert capsys.readouterr().out == (
        f"{path}:1: 01:02:03.000: 34.0 characters a second, 17 at most: {HELLO}\n"
        f"{path}: 2 cues, 50.0% within the rules, 1 violations\n"
    )


def test_the_report_can_be_printed(tmp_path, capfd):
    path = tmp_path / "a.srt"
    path.write_text(srt((0, 1000, HELLO)), "utf-8")
    assert main(["check", str(path), "--rules", "netflix-de", "--json"]) == 1
    (report,) = json.loads(capfd.readouterr().out)
    (one,) = report["violations"]
    assert (one["start"], one["end"], one["text"]) == (0.0, 1.0, HELLO)
    assert (one["found"], one["allowed"]) == (34.0, 17)


FILES = {
    "a.vtt": (
        "WEBVTT - made by hand\n\nNOTE a remark\n\nSTYLE\n::cue { color: red }\n\n"
        f"00:01.000 --> 00:02.000 align:start\n<v Anna>{HELLO}</v>\n\n"
        "intro\n01:00:05.000 --> 01:00:08.000\nA &amp; B\n"
    ),
    "a.ass": (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
        "Style: Default,Arial,20\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not shown\n"
        f"Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{{\\i1}}{HELLO}{{\\i0}}\n"
        "Dialogue: 0,1:00:05.00,1:00:08.00,Default,,0,0,0,,A\\NB, c\n"
    ),
    "a.srt": f"\ufeff1\r\n00:00:01,000 --> 00:00:02,000\r\n{HELLO}\r\n\r\n"
    "2\r\n01:00:05,000 --> 01:00:08,000\r\nA\r\n",
    "a.ttml": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" '
        'xml:lang="de"><head><layout><region xml:id="r"/></layout></head><body><div>'
        f'<p region="r" begin="1s" end="2s">{HELLO}</p>'
        '<p region="r" begin="01:00:05.000" end="01:00:08.000">A<br/>B</p></div></body></tt>\n'
    ),
}
FILES["a.dfxp"] = FILES["a.ttml"]
"""The same two cues as others write them; the first is too fast."""


@pytest.mark.parametrize("name", FILES)
def test_subtitles_of_other_makers_are_read(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name], "utf-8", newline="")
    assert main(["check", str(path), "--rules", "netflix-de", "--json", str(tmp_path / "o")]) == 1
    (report,) = json.loads((tmp_path / "o").read_text("utf-8"))
    (one,) = report["violations"]
    assert (report["cues"], one["rule"], one["text"]) == (2, "speed", HELLO)


WRONG = {
    "a.doc": ("x", "is no kind of subtitles that can be read: .srt, .vtt"),
    "a.srt": ("some text that is no subtitles", "is not subtitles as its name says: it has no -->"),
    "b.vtt": ("1\n00:00 --> 00:01\nx", "it has no WEBVTT"),
    "a.ass": ("hello", r"it has no \[Events\]"),
    "a.ttml": ("<tt", "is not subtitles as its name says"),
    "b.ttml": ("<html/>", "is not subtitles as its name says"),
    "a.scc": ("hello", "it does not begin with Scenarist_SCC"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_subtitles_is_told(tmp_path, capsys, name):
    content, message = WRONG[name]
    path = tmp_path / name
    path.write_text(content)
    assert main(["check", str(path)]) == 2
    error = capsys.readouterr().err
    assert message.replace("\\", "") in error and str(path) in error and "\n" not in error.strip()


def test_several_files_are_checked(tmp_path, capsys):
    good, bad = tmp_path / "good.srt", tmp_path / "bad.srt"
    good.write_text(srt((0, 2000, HELLO)))
    bad.write_text(srt((0, 1000, HELLO)))
    assert main(["check", str(good), "--language", "de"]) == 0
    assert main(["check", str(good), str(bad), "--language", "de"]) == 1
    assert main(["check", str(tmp_path / "none.srt")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_the_share_within_the_rules():
    cues = [Cue((HELLO,), 0, 1000), Cue(("Ja.",), 3000, 4000), Cue((), 5000, 6000)]
    broken = violations(cues, rules_for("netflix", language("de")))
    assert [(one.cue, one.rule) for one in broken] == [(1, "speed"), (3, "empty")]
    assert within(cues, broken) == pytest.approx(1 / 3)
    assert within([], []) == 1

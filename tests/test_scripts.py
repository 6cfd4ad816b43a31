"""Writing from right to left, without spaces, and with marks: whole, in order, on both sides."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from styles import STYLE

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import Close, Commit, SourceWord
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.examples import EXAMPLES, examples
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.prompts.prompt import source_columns
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.session import Session
from alignatt4llm.text.languages import LANGUAGES, Pair, inseparable, language
from alignatt4llm.text.units import is_boundary
from alignatt4llm.text.words import split_words
from alignatt4llm.translators.scripted import ScriptedDrafter

ARABIC = "مَرحَبًا بِكُم، في المؤتمر رقم 25."
HEBREW = "שָׁלוֹם לכולם, ברוכים הבאים ל-AI!"
THAI = "สวัสดีครับทุกคน ยินดีต้อนรับ"


def play(pair, script, source):
    words = split_words(source, pair.source)
    timed = [SourceWord(text, i * 0.5, (i + 1) * 0.5) for i, text in enumerate(words)]
    session = Session(
        TimedTextRecognizer(timed),
        ScriptedDrafter(script),
        AlignAtt(HeadSet("scripted", str(pair), ((0, 0),))),
        FewShotPrompt(pair),
        pair,
    )
    second = np.zeros(SAMPLE_RATE, np.float32)
    events = [e for _ in range(len(words) // 2 + 2) for e in session.feed(second)]
    return [*events, *session.finish()]


def pieces_of(text):
    """Words with the space before them; in Thai, three letters at a time."""
    return re.findall(r"\s*[^\s]{1,3}" if text == THAI else r"\s*\S+", text)


@pytest.mark.parametrize(("code", "text"), [("ar", ARABIC), ("he", HEBREW), ("th", THAI)])
def test_the_translation_comes_out_as_the_model_wrote_it(code, text, tmp_path):
    def script(words):
        return [(piece, min(i, len(words) - 1)) for i, piece in enumerate(pieces_of(text))]

    events = play(Pair(language("en"), language(code)), script, "we all see this here today now")
    commits = [event.text for event in events if isinstance(event, Commit)]
    assert "".join(commits) == text
    assert not any(unicodedata.category(commit[0]).startswith("M") for commit in commits)
    assert text in OUTPUTS["srt"].text(events, STYLE).replace("\n", " ")


@pytest.mark.parametrize(
    ("code", "source"),
    [("zh", "我们用 GPT-4 翻译，很快。"), ("ja", "始発列車は朝七時に駅を出ます。"), ("th", THAI)],
)
def test_a_source_without_spaces_is_shown_whole(code, source):
    pair = Pair(language(code), language("en"))
    words = split_words(source, pair.source)
    assert len(words) > 5
    prompt = FewShotPrompt(pair)(words)
    begin = len(prompt.prefix)
    assert prompt.text[begin:].startswith(source)
    assert [prompt.text[a:b] for a, b in prompt.word_spans] == words
    offsets = [(i, i + 1) for i in range(len(prompt.text))]
    _, columns = source_columns(prompt, offsets)
    assert set(columns) == set(range(len(words)))
    closes = [e for e in play(pair, lambda seen: [(f" w{i}", i) for i in range(len(seen))], source)
              if isinstance(e, Close)]  # fmt: skip
    assert "".join(close.source for close in closes) == source


SIGNS = "กขเแำิ่ าab مَرحَשׁ🙂\u200d👍🏽é"


@given(st.text(alphabet=SIGNS, max_size=20), st.sampled_from(sorted(LANGUAGES)))
def test_no_sign_is_ever_cut(text, code):
    for at in range(1, len(text)):
        if is_boundary(text, at, language(code)):
            assert not inseparable(text[at - 1], text[at])


def test_every_language_has_every_example():
    assert all(set(line) == set(LANGUAGES) for line in EXAMPLES)
    assert len(examples(Pair.parse("yue-fa"))) == len(EXAMPLES)

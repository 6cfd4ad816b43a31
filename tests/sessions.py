"""Sessions without weights, played to from known words."""

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import PromptTooLong
from alignatt4llm.events import Close, Commit, Trace
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.text.languages import Pair
from alignatt4llm.transcript import SourceSettings
from alignatt4llm.translators.scripted import ScriptedDrafter, word_for_word

SECOND = np.zeros(SAMPLE_RATE, np.float32)
EN_DE, EN_ZH = Pair.parse("en-de"), Pair.parse("en-zh")


class Watched:
    """A drafter that remembers what it was asked."""

    def __init__(self, drafter, context=10**9):
        self.drafter, self.context = drafter, context
        self.prompts, self.guesses, self.closed = [], [], False

    def draft(self, prompt, budget, judge=None, guess=()):
        if len(prompt.text) > self.context:
            raise PromptTooLong("The prompt is too long.")
        self.prompts.append(prompt)
        self.guesses.append(guess)
        return self.drafter.draft(prompt, budget, judge, guess)

    def close(self):
        self.closed = True


def session_of(recognizer, script=word_for_word, pair=EN_DE, *, drafter=None, **settings):
    own = {name: settings.pop(name) for name in ("history", "unread") if name in settings}
    heads = HeadSet("scripted", str(pair), ((0, 0),))
    return Session(
        recognizer,
        drafter or ScriptedDrafter(script),
        AlignAtt(heads),
        FewShotPrompt(pair),
        pair,
        SessionSettings(SourceSettings(**settings), **own),
    )


def play(session, chunks):
    """Feed the chunks, finish, and return every event."""
    events = [event for chunk in chunks for event in session.feed(chunk)]
    return [*events, *session.finish()]


def said(events):
    return "".join(event.text for event in events if isinstance(event, Commit))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def talk(text, seconds, offset=0.0):
    return spread(text, offset, seconds, EN_DE.source)


def follow(words, script=word_for_word, seconds=None, chunk=1.0, **settings):
    """Play known words to a session in chunks of one length."""
    session = session_of(TimedTextRecognizer(words), script, **settings)
    length = seconds or (words[-1].end if words else 3)
    size = round(chunk * SAMPLE_RATE)
    return play(session, [np.zeros(size, np.float32)] * int(length / chunk + 1)), session


SPEECH = (
    "The first train leaves the station at seven in the morning, and nobody knows why. "
    "We found that the new method is faster, but it needs more memory than the old one did."
)


def decided(translator, heads, pair=EN_DE):
    """What a stream on a model says of timed text: commits, and the reason of every token."""
    session = Session(
        TimedTextRecognizer(spread(SPEECH, 0.0, 14.0, pair.source)),
        translator.open(pair, heads),
        AlignAtt(heads),
        translator.prompt_form(pair),
        pair,
    )
    events = play(session, [SECOND] * 16)
    said = [event.text for event in of(Commit, events)]
    said += [event.target for event in of(Close, events)]
    return said, [[(t.text, t.word, t.hold) for t in e.tokens] for e in of(Trace, events)]

"""Streaming recognition by a bounded window: voice activity, repeated hypotheses, agreement.

Audio without speech is dropped. While somebody speaks, a window of audio is recognised again and
again; what is found final is committed and becomes the forced beginning of the next run, so that
nothing is said twice. A pause commits everything and clears the window.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.audio.voice import FRAME, VoiceActivity
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import Agreement
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Recognition, Spoken

LEAD = 0.3
"""Seconds kept from before the voice is noticed."""
PAUSE = 0.6
"""Seconds without voice that commit everything pending."""
STEP = 0.4
"""Seconds of new voice without which nothing is recognised again."""
STRIDE = 3.0
"""Seconds of audio after which a run is due even inside one long feed."""
LONG = 8.0
"""Seconds of a window above which it loses what is committed, except in its later half."""
LONGEST = 15.0
"""Seconds of a window that commits what is pending before its end and loses it, whatever it is."""

TELLING = 1.5
"""Seconds of voice between two questions which language is spoken."""


class SpeechModel(Protocol):
    """Recognises a window of audio, for one stream; it may keep what it computed between calls."""

    def transcribe(
        self, audio: Samples, language: Language, beginning: Sequence[str] = ()
    ) -> list[SourceWord] | None:
        """Recognise a window of audio.

        Parameters
        ----------
        audio
            Samples, shape [n], at most 30 s.
        language
            What is spoken.
        beginning
            Words that the audio is known to begin with.

        Returns
        -------
        list of SourceWord or None
            The words after ``beginning``, in seconds since the window began; None if what came
            out cannot be trusted.
        """
        ...


class WindowRecognizer:
    """Recognises one stream of speech with any model that can take a window of it.

    Parameters
    ----------
    model
        What recognises the window.
    language
        What is spoken.
    agreement
        Decides which words of successive hypotheses are final.
    long
        Seconds of a window above which what is committed leaves it, except the last half of that.
    spoken
        Tells which language is spoken in the window that was transcribed last; None if that is not
        to be told.
    """

    def __init__(
        self,
        model: SpeechModel,
        language: Language,
        agreement: Agreement,
        long: float = LONG,
        spoken: Callable[[Samples], Spoken | None] = lambda audio: None,
    ) -> None:
        self._model = model
        self._ask_language = spoken
        self._spoken: Spoken | None = None  # and not told yet
        self._untold = 0  # samples of voice since the language was asked for
        self._long = round(long * SAMPLE_RATE)
        self._language = language
        self._voice = VoiceActivity()
        self._agreement = agreement
        self._lead: deque[Samples] = deque(maxlen=round(LEAD * SAMPLE_RATE / FRAME))
        self._window: list[Samples] = []
        self._known: list[SourceWord] = []  # committed words inside the window
        self._samples = 0  # of the stream, up to the end of the window
        self._length = 0  # of the window
        self._voiced = 0  # samples of voice since the last run
        self._unheard = 0  # samples since the last run
        self._silent = 0  # samples since the last voice

    @property
    def window(self) -> float:
        """Seconds of audio kept for recognition; 0 while nobody speaks."""
        return self._length / SAMPLE_RATE

    def feed(self, samples: Samples) -> Recognition:
        """Take the next samples, however many; recognise when there is enough new speech."""
        committed: list[SourceWord] = []
        for frame, voice in self._voice.feed(samples):
            committed += self._take(frame, voice)
        if self._voiced >= STEP * SAMPLE_RATE:
            committed += self._recognise()
        spoken, self._spoken = self._spoken, None
        return Recognition(tuple(committed), self._agreement.pending, spoken)

    def finish(self) -> Recognition:
        """Recognise what is left and commit it."""
        committed: list[SourceWord] = []
        for frame, voice in self._voice.finish():
            committed += self._take(frame, voice)
        return Recognition((*committed, *self._close()))

    def _take(self, frame: Samples, voice: bool) -> list[SourceWord]:
        """Put a frame where it belongs and do what has become due."""
        self._samples += len(frame)
        if not self._window and not voice:
            self._lead.append(frame)
            return []
        if not self._window:
            self._window = [*self._lead]
            self._length = sum(map(len, self._window))
            self._lead.clear()
        self._window.append(frame)
        self._length += len(frame)
        self._unheard += len(frame)
        self._voiced += len(frame) if voice else 0
        self._silent = 0 if voice else self._silent + len(frame)
        if self._silent >= PAUSE * SAMPLE_RATE:
            return self._close()
        if self._unheard >= STRIDE * SAMPLE_RATE and self._voiced:
            return self._recognise()
        return []

    def _close(self) -> list[SourceWord]:
        """End a stretch of speech: recognise its end, commit everything, clear the window."""
        committed = self._recognise() if self._voiced else []
        rest = self._agreement.flush()
        self._known, self._window = [], []
        self._length = self._silent = self._unheard = 0
        return [*committed, *rest]

    def _recognise(self) -> list[SourceWord]:
        """Run the model over the window and return the words that became final."""
        self._untold += self._voiced
        self._voiced = self._unheard = 0
        self._window = [np.concatenate(self._window)]
        words = self._model.transcribe(
            self._window[0], self._language, [word.text for word in self._known]
        )
        if self._untold >= TELLING * SAMPLE_RATE:
            self._spoken, self._untold = self._ask_language(self._window[0]), 0
        committed: list[SourceWord] = []
        if words is not None:
            clock = self._samples / SAMPLE_RATE
            committed = self._agreement.update(self._on_stream(words), clock)
        return [*committed, *self._bound(committed)]

    def _on_stream(self, words: Sequence[SourceWord]) -> list[SourceWord]:
        """Move times from the window to the stream, never before what is committed."""
        begin = (self._samples - self._length) / SAMPLE_RATE
        earliest, latest = self._agreement.end, self._samples / SAMPLE_RATE

        def clamp(time: float) -> float:
            return min(max(begin + time, earliest), latest)

        return [SourceWord(word.text, clamp(word.start), clamp(word.end)) for word in words]

    def _bound(self, committed: Sequence[SourceWord]) -> list[SourceWord]:
        """Shorten a long window; return the words that had to be committed for it."""
        self._known += committed
        if self._length < self._long:
            return []
        begin, keep = self._samples - self._length, self._samples - self._long // 2
        full = self._length >= LONGEST * SAMPLE_RATE
        forced = self._agreement.flush(keep / SAMPLE_RATE) if full else []
        self._known += forced
        leaving = [word for word in self._known if word.end * SAMPLE_RATE <= keep]
        cut = round(leaving[-1].end * SAMPLE_RATE) if leaving else (keep if full else begin)
        del self._known[: len(leaving)]
        self._window = [self._window[0][max(0, cut - begin) :]]
        self._length = len(self._window[0])
        return forced


def token_budget(audio: Samples) -> int:
    """More tokens than anybody can say in that time; where a loop ends."""
    return min(200, 16 + round(10 * len(audio) / SAMPLE_RATE))

"""Whisper as a streaming recogniser: voice activity, a bounded window, agreement.

Audio without speech is dropped. While somebody speaks, a window of audio is recognised again and
again; what two successive runs agree on is committed and becomes the forced beginning of the next
run, so that nothing is said twice. A pause commits everything and clears the window.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.audio.voice import FRAME, VoiceActivity
from alignatt4llm.errors import AlignattError
from alignatt4llm.languages import Language
from alignatt4llm.recognizers.agreement import HOLD_BACK, Agreement
from alignatt4llm.recognizers.base import Samples
from alignatt4llm.transcript import SAMPLE_RATE, Recognition, SourceWord

LEAD = 0.3
"""Seconds kept from before the voice is noticed."""
PAUSE = 0.6
"""Seconds without voice that commit everything pending."""
STEP = 0.4
"""Seconds of new voice without which nothing is recognised again."""
STRIDE = 3.0
"""Seconds of audio after which a run is due even inside one long feed."""
LONG, LONGEST, KEEP = 8.0, 15.0, 4.0
"""Seconds: a window longer than LONG loses what is committed except the last KEEP; a window of
LONGEST commits what is pending before the last KEEP, and loses it, whatever it is."""

_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"


class WhisperEngine:
    """A Whisper model loaded once; any number of recognisers may share it.

    Parameters
    ----------
    path
        Folder of a CTranslate2 Whisper model.
    threads
        CPU threads; 0 lets the library choose.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise AlignattError(
                "Recognising speech needs faster-whisper; install it with "
                "pip install 'alignatt4llm[whisper]'."
            ) from error
        if not (path / "model.bin").is_file():
            raise AlignattError(
                f"'{path}' holds no Whisper model; give a folder with a CTranslate2 model.bin."
            )
        self._whisper = WhisperModel(
            str(path), compute_type="int8", cpu_threads=threads, local_files_only=True
        )
        self._tokenizers: dict[str, Any] = {}

    def open(self, language: Language, hold_back: float = HOLD_BACK) -> "WhisperRecognizer":
        """Start recognising one stream of speech in ``language``."""
        return WhisperRecognizer(self, language, hold_back)

    def transcribe(
        self,
        audio: Samples,
        language: Language,
        beginning: Sequence[str] = (),
    ) -> list[SourceWord] | None:
        """Recognise a window of audio.

        Only as much of Whisper's 30 s as the audio fills is encoded, which is several times
        faster and does not cost accuracy.

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
        from ctranslate2 import StorageView

        tokenizer = self._tokenizer(language)
        known = _encode(tokenizer, language, beginning)
        mel, frames = self._mel(audio)
        encoded = self._whisper.model.encode(StorageView.from_array(mel), to_cpu=False)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps, *known]
        budget = _token_budget(audio)
        [result] = self._whisper.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=len(prompt) + budget,
            suppress_tokens=_suppressed(tokenizer),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        new = tokens[len(known) :]  # the result repeats the known beginning
        if not _credible(result, tokenizer.decode(new), len(new), len(tokens), budget):
            return None
        found = self._whisper.find_alignment(tokenizer, [tokens], encoded, frames)[0]
        return _words(found, len(known))

    def _mel(self, audio: Samples) -> tuple[NDArray[np.float32], int]:
        """Log-mel features, shape [1, mels, padded frames], and the frames that hold audio."""
        mel = self._whisper.feature_extractor(audio)[:, :-1]
        frames = mel.shape[1]
        padded = min(3000, -(-(frames + 100) // 100) * 100)
        mel = np.pad(mel, ((0, 0), (0, max(0, padded - frames))))[None, :, :padded]
        return np.ascontiguousarray(mel, np.float32), min(frames, padded)

    def _tokenizer(self, language: Language) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        if language.code not in self._tokenizers:
            whisper = self._whisper
            self._tokenizers[language.code] = Tokenizer(
                whisper.hf_tokenizer, whisper.model.is_multilingual, "transcribe", language.code
            )
        return self._tokenizers[language.code]


class WhisperRecognizer:
    """Recognises one stream of speech; see `WhisperEngine.open`."""

    def __init__(self, engine: WhisperEngine, language: Language, hold_back: float) -> None:
        self._engine = engine
        self._language = language
        self._voice = VoiceActivity()
        self._agreement = Agreement(hold_back)
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
        return Recognition(tuple(committed), self._agreement.pending)

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
        self._voiced = self._unheard = 0
        self._window = [np.concatenate(self._window)]
        words = self._engine.transcribe(
            self._window[0], self._language, [word.text for word in self._known]
        )
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
        if self._length < LONG * SAMPLE_RATE:
            return []
        begin, keep = self._samples - self._length, self._samples - round(KEEP * SAMPLE_RATE)
        full = self._length >= LONGEST * SAMPLE_RATE
        forced = self._agreement.flush(keep / SAMPLE_RATE) if full else []
        self._known += forced
        leaving = [word for word in self._known if word.end * SAMPLE_RATE <= keep]
        cut = round(leaving[-1].end * SAMPLE_RATE) if leaving else (keep if full else begin)
        del self._known[: len(leaving)]
        self._window = [self._window[0][max(0, cut - begin) :]]
        self._length = len(self._window[0])
        return forced


def _encode(tokenizer: Any, language: Language, words: Sequence[str]) -> list[int]:
    separator = language.separator
    tokens: list[int] = tokenizer.encode(separator + separator.join(words)) if words else []
    return tokens


def _suppressed(tokenizer: Any) -> list[int]:
    """Tokens never to be said: noises in brackets, music notes, control tokens."""
    from faster_whisper.transcribe import get_suppressed_tokens

    return list(get_suppressed_tokens(tokenizer, [-1]))


def _token_budget(audio: Samples) -> int:
    """More tokens than anybody can say in that time; where a loop ends."""
    return min(200, 16 + round(10 * len(audio) / SAMPLE_RATE))


def _credible(result: Any, text: str, count: int, total: int, budget: int) -> bool:
    """Whether a result is neither a loop nor what Whisper imagines in noise."""
    from faster_whisper.transcribe import get_compression_ratio

    if count >= budget or (text and get_compression_ratio(text) > 2.4):
        return False
    mean_log_probability = result.scores[0] * total / (count + 1)
    if result.no_speech_prob > 0.6 and mean_log_probability < -0.8:
        return False
    return bool(mean_log_probability > -1.5)


def _words(found: Sequence[dict[str, Any]], known: int) -> list[SourceWord]:
    """Words from aligned tokens, leaving out those that begin within the known tokens."""
    from faster_whisper.transcribe import merge_punctuations

    entries = [dict(entry) for entry in found]
    merge_punctuations(entries, _PREPENDED, _APPENDED)
    words = []
    position = 0
    for entry in entries:
        text = entry["word"].strip()
        if position >= known and any(map(str.isalnum, text)):
            words.append(_plausible(text, float(entry["start"]), float(entry["end"])))
        position += len(entry["tokens"])
    return words


def _plausible(text: str, start: float, end: float) -> SourceWord:
    """Take the silence out of a word that alignment has stretched over a pause."""
    longest = 0.4 + 0.1 * len(text)
    if end - start <= longest:
        return SourceWord(text, start, end)
    if text[-1].isalnum():
        return SourceWord(text, end - longest, end)
    return SourceWord(text, start, start + longest)

"""Whisper, run by CTranslate2: a window of audio into words with times from its attention."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import AlignattError, UsageError, extra
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import HOLD_BACK, Agreement
from alignatt4llm.recognizers.attended import Attended
from alignatt4llm.recognizers.pieces import joined
from alignatt4llm.recognizers.table import Asked
from alignatt4llm.recognizers.window import WindowRecognizer, token_budget
from alignatt4llm.text.languages import Language
from alignatt4llm.text.words import is_spoken
from alignatt4llm.transcript import Spoken

LONG = 5.0
"""Seconds of a window: every known token costs a step of the decoder, so fewer than others keep."""

_WINDOW = 30
"""Seconds that Whisper hears at once."""
WHISPERS_CODES = {"fil": "tl"}
"""What Whisper calls languages for which it has another code."""
_CODES_OF = {theirs: ours for ours, theirs in WHISPERS_CODES.items()}

Encoded = tuple[Any, int]
"""What the encoder makes of a window, and the frames that hold audio."""


class WhisperEngine:
    """A Whisper model loaded once; any number of recognisers may share it.

    Parameters
    ----------
    path
        Folder of a CTranslate2 Whisper model.
    threads
        CPU threads; 0 lets the library choose.
    finality
        Which words are final: `Agreement` of hypotheses, or `Attended` for AlignAtt over the
        model's cross-attention.
    """

    def __init__(self, path: Path, threads: int = 0, finality: type[Agreement] = Agreement) -> None:
        self._finality = finality
        with extra("whisper", "Recognising speech"):
            from faster_whisper import WhisperModel
        if not (path / "model.bin").is_file():
            raise AlignattError(
                f"'{path}' holds no Whisper model; give a folder with a CTranslate2 model.bin."
            )
        self._whisper = WhisperModel(
            str(path), compute_type="int8", cpu_threads=threads, local_files_only=True
        )
        self._tokenizers: dict[str, Any] = {}

    def open(self, language: Language, hold_back: float = HOLD_BACK) -> WindowRecognizer:
        """Start recognising one stream of speech in ``language``.

        Raises
        ------
        UsageError
            If the model does not know the language.
        """
        if not self._knows(language):
            raise UsageError(
                f"This Whisper model does not know {language.name}; take another with --recognizer."
            )
        stream = _Stream(self)
        return WindowRecognizer(
            stream, language, self._finality(hold_back), LONG, lambda audio: stream.spoken()
        )

    def detect(self, samples: Samples) -> Spoken | None:
        """Tell which language is spoken in up to 30 s of speech; see `Detecting`."""
        return self.spoken(self.encode(samples[: _WINDOW * SAMPLE_RATE]))

    def encode(self, audio: Samples) -> Encoded:
        """Encode a window of audio.

        Only as much of Whisper's 30 s as the audio fills is encoded, which is several times
        faster and does not cost accuracy.
        """
        from ctranslate2 import StorageView

        mel, frames = self._mel(audio)
        return self._whisper.model.encode(StorageView.from_array(mel), to_cpu=False), frames

    def spoken(self, encoded: Encoded) -> Spoken | None:
        """Tell which language is spoken in a window; None if the model knows one only."""
        if not self._whisper.model.is_multilingual:
            return None
        [[(token, share), *_]] = self._whisper.model.detect_language(encoded[0])
        return Spoken(_CODES_OF.get(code := token.strip("<|>"), code), share)

    def _knows(self, language: Language) -> bool:
        """Whether the model knows a language; one that knows a single language knows English."""
        if not self._whisper.model.is_multilingual:
            return language.code == "en"
        return self._whisper.hf_tokenizer.token_to_id(f"<|{_code(language)}|>") is not None

    def transcribe(
        self,
        audio: Samples,
        language: Language,
        beginning: Sequence[str] = (),
        encoded: Encoded | None = None,
    ) -> list[SourceWord] | None:
        """Recognise a window of audio, which may be encoded already; see `SpeechModel`."""
        tokenizer = self._tokenizer(language)
        known = _encode(tokenizer, language, beginning)
        features, frames = encoded or self.encode(audio)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps, *known]
        budget = token_budget(audio)
        [result] = self._whisper.model.generate(
            features,
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
        found = self._whisper.find_alignment(tokenizer, [tokens], features, frames)[0]
        return _words(found, tokenizer.decode(known), language)

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
                whisper.hf_tokenizer, whisper.model.is_multilingual, "transcribe", _code(language)
            )
        return self._tokenizers[language.code]


_CROWD, _MOMENT = 4, 0.15
"""So many words within so many seconds are more than anybody says."""


class _Stream:
    """Recognises the windows of one stream; what was encoded last also tells the language."""

    def __init__(self, engine: WhisperEngine) -> None:
        self._engine = engine
        self._encoded: Encoded | None = None

    def transcribe(
        self, audio: Samples, language: Language, beginning: Sequence[str] = ()
    ) -> list[SourceWord] | None:
        """Recognise a window of audio; see `SpeechModel.transcribe`."""
        self._encoded = self._engine.encode(audio)
        return self._engine.transcribe(audio, language, beginning, self._encoded)

    def spoken(self) -> Spoken | None:
        """Tell which language is spoken in the window that was transcribed last."""
        return self._engine.spoken(self._encoded) if self._encoded else None


def _code(language: Language) -> str:
    """Return what Whisper calls a language."""
    return WHISPERS_CODES.get(language.code, language.code)


def _encode(tokenizer: Any, language: Language, words: Sequence[str]) -> list[int]:
    separator = language.separator
    tokens: list[int] = tokenizer.encode(separator + separator.join(words)) if words else []
    return tokens


def _suppressed(tokenizer: Any) -> list[int]:
    """Tokens never to be said: noises in brackets, music notes, control tokens."""
    from faster_whisper.transcribe import get_suppressed_tokens

    return list(get_suppressed_tokens(tokenizer, [-1]))


def _credible(result: Any, text: str, count: int, total: int, budget: int) -> bool:
    """Whether a result is neither a loop nor what Whisper imagines in noise."""
    from faster_whisper.transcribe import get_compression_ratio

    if count >= budget or (text and get_compression_ratio(text) > 2.4):
        return False
    mean_log_probability = result.scores[0] * total / (count + 1)
    if result.no_speech_prob > 0.6 and mean_log_probability < -0.8:
        return False
    return bool(mean_log_probability > -1.5)


def _words(found: Sequence[dict[str, Any]], known: str, language: Language) -> list[SourceWord]:
    """Words from aligned tokens, beyond the known text that they begin with."""
    pieces = [SourceWord(one["word"], float(one["start"]), float(one["end"])) for one in found]
    return [_plausible(word) for word in _in_time(joined(pieces, language, known))]


def _in_time(words: Iterable[SourceWord]) -> list[SourceWord]:
    """Leave out words that nobody says so fast: a loop, which is given hardly any time."""
    found = list(words)
    pairs = enumerate(zip(found, found[_CROWD - 1 :], strict=False))
    begins = [at for at, (first, last) in pairs if last.start - first.start < _MOMENT]
    crowded = {at + more for at in begins for more in range(_CROWD)}
    return [word for at, word in enumerate(found) if at not in crowded]


def _plausible(word: SourceWord) -> SourceWord:
    """Take the silence out of a word that alignment has stretched over a pause."""
    longest = 0.4 + sum(0.1 if sign.isalpha() else 0.4 for sign in word.text if is_spoken(sign))
    if word.end - word.start <= longest:
        return word
    if is_spoken(word.text[-1]):
        return replace(word, start=word.end - longest)
    return replace(word, end=word.start + longest)


def load(asked: Asked) -> WhisperEngine:
    """Load the model with faster-whisper."""
    finality = Attended if asked.finality == "attention" else Agreement
    return WhisperEngine(asked.folder, asked.threads, finality)

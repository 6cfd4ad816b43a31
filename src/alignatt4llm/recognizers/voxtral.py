"""Voxtral Realtime: a model that streams by itself, one step for every 80 ms of audio.

Each step hears one frame and says one token: text, the beginning of a word, or nothing yet. The
text follows the audio by a fixed delay, so a word's time is when it was said minus that delay.
Nothing is recognised twice, and both attention windows slide, so a step always costs the same.
"""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from transformers import VoxtralRealtimeForConditionalGeneration, VoxtralRealtimeProcessor

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import SourceWord
from alignatt4llm.machine.device import Device
from alignatt4llm.recognizers.agreement import HOLD_BACK
from alignatt4llm.recognizers.checkpoint import load_checkpoint
from alignatt4llm.recognizers.table import Asked
from alignatt4llm.text.languages import Language
from alignatt4llm.text.words import is_spoken, split_words
from alignatt4llm.transcript import Recognition

SILENT, COUNTING = 4, 12
"""Steps without text after which a word is whole: 0.32 s, or 0.96 s after a digit, as the rest of
a number may still be spoken."""
LONGEST = 50
"""Tokens after which a word is taken to be whole, whatever it is."""
PAUSE, LONG = 25, 15_000
"""Steps: after LONG (20 minutes) a silence of PAUSE (2 s) begins a new stream in the model, so
that positions stay within those it was trained on."""


class VoxtralEngine:
    """Voxtral Realtime loaded once; any number of recognisers may share it.

    Parameters
    ----------
    path
        Folder of the checkpoint, ``tekken.json`` included.
    device
        Where the model runs.
    """

    def __init__(self, path: Path, device: Device | None = None) -> None:
        self.processor, self.model = load_checkpoint(
            path,
            VoxtralRealtimeProcessor,
            VoxtralRealtimeForConditionalGeneration,
            device or Device.best(),
        )
        tekken = self.processor.tokenizer.tokenizer.instruct_tokenizer.tokenizer
        self.word = int(tekken.get_special_token("[STREAMING_WORD]"))
        self.controls = {int(token) for token in self.processor.tokenizer.all_special_ids}
        self.controls.add(self.word)
        self.step = self.processor.raw_audio_length_per_tok / SAMPLE_RATE
        self.lock = Lock()

    def open(self, language: Language, hold_back: float = HOLD_BACK) -> "VoxtralRecognizer":
        """Start recognising one stream.

        The model finds out the language by itself, and its own delay takes the place of
        ``hold_back``; the language only says what a word is.
        """
        return VoxtralRecognizer(self, language)


class VoxtralRecognizer:
    """Recognises one stream of speech; see `VoxtralEngine.open`."""

    def __init__(self, engine: VoxtralEngine, language: Language) -> None:
        self._engine = engine
        self._language = language
        self._stream = _Stream(engine)
        self._began = 0  # samples of the whole recording before the model's stream
        self._samples = 0  # of the whole recording
        self._tokens: list[int] = []  # of the word being said
        self._from = self._to = 0.0  # its time
        self._silent = 0  # steps since the last text
        self._end = 0.0  # of the last committed word

    def feed(self, samples: Samples) -> Recognition:
        """Take the next samples, however many, and say the words that are whole."""
        self._samples += len(samples)
        self._stream.add(samples)
        committed = self._listen()
        if self._stream.steps > LONG and self._silent > PAUSE:
            committed += self._restart()
        return Recognition(tuple(committed), tuple(self._words()))

    def finish(self) -> Recognition:
        """Hear silence until the delay is over, and commit what was said."""
        committed = self._restart()
        return Recognition(tuple(committed))

    def _restart(self) -> list[SourceWord]:
        self._stream.add(self._stream.silence())
        committed = [*self._listen(), *self._whole()]
        self._stream, self._began = _Stream(self._engine), self._samples
        return committed

    def _listen(self) -> list[SourceWord]:
        committed: list[SourceWord] = []
        with self._engine.lock:
            for token in self._stream.run():
                committed += self._take(token)
        return committed

    def _take(self, token: int) -> list[SourceWord]:
        """Take in one step's token; return the words that it shows to be whole."""
        engine = self._engine
        spoken = self._began / SAMPLE_RATE + self._stream.steps * engine.step
        if token in engine.controls:
            self._silent += 1
            whole = token == engine.word or self._silent == self._patience()
            committed = self._whole() if whole else []
            if token == engine.word:
                self._from = self._to = spoken
            return committed
        text = engine.processor.tokenizer.decode([token])
        begins = text[:1].isspace() or len(self._tokens) == LONGEST
        committed = self._whole() if begins else []
        if not self._tokens and self._silent:
            self._from = max(self._from, spoken - engine.step)
        self._tokens.append(token)
        self._to, self._silent = spoken, 0
        return committed

    def _patience(self) -> int:
        said = self._engine.processor.tokenizer.decode(self._tokens[-1:])
        return COUNTING if said[-1:].isdigit() else SILENT

    def _whole(self) -> list[SourceWord]:
        words = self._words()
        self._tokens = []
        self._from = self._to
        self._end = words[-1].end if words else self._end
        return words

    def _words(self) -> list[SourceWord]:
        """The words of the tokens at hand, sharing their time evenly; an unfinished sign waits."""
        text = self._engine.processor.tokenizer.decode(self._tokens).rstrip("\ufffd")
        texts = [*filter(is_spoken, split_words(text, self._language))]
        limit = self._samples / SAMPLE_RATE
        begin = min(max(self._from, self._end), limit)
        end = min(max(self._to, begin), limit)
        edges = np.linspace(begin, end, len(texts) + 1).tolist()
        return [SourceWord(*entry) for entry in zip(texts, edges, edges[1:], strict=False)]


@dataclass(slots=True)
class _Stream:
    """The model's state: audio that waits for its step, and the caches."""

    engine: VoxtralEngine
    steps: int = 0  # tokens said
    _audio: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    _first: int = 0  # sample that _audio begins with
    _token: int = 0
    _caches: dict[str, Any] = field(default_factory=dict)

    def add(self, samples: Samples) -> None:
        """Put audio behind what waits."""
        self._audio = np.concatenate([self._audio, samples])

    def silence(self) -> Samples:
        """Return the silence in which everything heard so far is said."""
        processor = self.engine.processor
        unit = processor.raw_audio_length_per_tok
        length = -len(self._audio) % unit + processor.num_right_pad_tokens * unit
        return np.zeros(length + processor.num_samples_per_audio_chunk, np.float32)

    @torch.inference_mode()
    def run(self) -> Any:
        """Yield one token for every frame that has come in whole."""
        while (window := self._window()) is not None:
            self._token = self._step(window)
            self.steps += 1
            yield self._token

    def _window(self) -> Samples | None:
        """Return the samples of the next step, with those around them that the features need."""
        processor = self.engine.processor
        if not self._caches:
            start, length = 0, processor.num_samples_first_audio_chunk
        else:
            hop = processor.feature_extractor.hop_length
            frames = processor.num_mel_frames_first_audio_chunk
            frames += (self.steps - 1) * processor.audio_length_per_tok
            start = frames * hop - processor.feature_extractor.win_length // 2
            length = processor.num_samples_per_audio_chunk
        self._audio = self._audio[max(0, start - self._first) :]
        self._first = max(self._first, start)
        return self._audio[:length] if len(self._audio) >= length else None

    def _step(self, window: Samples) -> int:
        processor, model = self.engine.processor, self.engine.model
        inputs = processor(
            window,
            is_streaming=True,
            is_first_audio_chunk=not self._caches,
            return_tensors="pt",
            sampling_rate=SAMPLE_RATE,
        )
        ids = inputs.get("input_ids", torch.tensor([[self._token]]))
        out = model(
            input_ids=ids.to(model.device),
            input_features=inputs["input_features"].to(model.device, model.dtype),
            num_delay_tokens=inputs["num_delay_tokens"],
            use_cache=True,
            logits_to_keep=1,
            **self._caches,
        )
        self._caches = {
            "past_key_values": out.past_key_values,
            "encoder_past_key_values": out.encoder_past_key_values,
            "padding_cache": out.padding_cache,
        }
        return int(out.logits[0, -1].argmax())


def load(asked: Asked) -> VoxtralEngine:
    """Load the model with transformers."""
    return VoxtralEngine(asked.folder)

"""Qwen3-ASR as a streaming recogniser, with word times from the forced aligner.

A window of audio is recognised again and again, but only what is new is computed: the encoder
attends within blocks of 8 s, so a finished block is never encoded again; keys and values of the
common beginning of two prompts stay; and what the last hypothesis said beyond the known words is
verified in one pass instead of being decoded anew. The words are those that decoding from scratch
gives.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor
from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.machine.device import Device
from alignatt4llm.recognizers.agreement import HOLD_BACK, Agreement
from alignatt4llm.recognizers.checkpoint import load_checkpoint
from alignatt4llm.recognizers.forced_aligner import ForcedAligner
from alignatt4llm.recognizers.table import Asked
from alignatt4llm.recognizers.window import WindowRecognizer, token_budget
from alignatt4llm.recognizers.word_repair import continued
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Spoken

_CODES = {name: code for code, name in LANGUAGE_CODE_TO_NAME.items()}
SPOKEN = 8
"""Tokens that are enough for what the model says before a text, the name of its language."""


class Qwen3AsrEngine:
    """Qwen3-ASR loaded once; any number of recognisers may share it.

    Parameters
    ----------
    path
        Folder of a Qwen3-ASR checkpoint in the format of transformers (``…-hf``).
    aligner
        Gives the words their times. Without it, or in a language that it does not know, words
        are spread evenly over the audio.
    device
        Where the model runs.
    """

    def __init__(
        self, path: Path, aligner: ForcedAligner | None = None, device: Device | None = None
    ) -> None:
        self.processor, self.model = load_checkpoint(
            path, Qwen3ASRProcessor, Qwen3ASRForConditionalGeneration, device or Device.best()
        )
        self.aligner = aligner
        self.lock = Lock()

    def open(self, language: Language, hold_back: float = HOLD_BACK) -> WindowRecognizer:
        """Start recognising one stream of speech in ``language``.

        Raises
        ------
        UsageError
            If the model does not know the language.
        """
        require_known(language)
        stream = Qwen3AsrStream(self)
        return WindowRecognizer(stream, language, Agreement(hold_back), spoken=stream.spoken)

    def detect(self, samples: Samples) -> Spoken | None:
        """Tell which language is spoken; see `Detecting`."""
        return Qwen3AsrStream(self).spoken(samples)


class Qwen3AsrStream:
    """Recognises the windows of one stream; see `SpeechModel`."""

    def __init__(self, engine: Qwen3AsrEngine) -> None:
        self._engine = engine
        self._audio = _Audio(engine.model)
        self._text = _Text(engine.model)
        self._guess: tuple[str, list[int]] = ("", [])  # the last hypothesis and its tokens

    def transcribe(
        self, audio: Samples, language: Language, beginning: Sequence[str] = ()
    ) -> list[SourceWord] | None:
        """Recognise a window of audio; see `SpeechModel.transcribe`."""
        known = language.separator.join(beginning)
        with self._engine.lock, torch.inference_mode():
            said = self._continue(audio, language, known)
            if said is None:
                return None
            return timed_words(self._engine.aligner, audio, known, said, language)

    def spoken(self, audio: Samples) -> Spoken | None:
        """Tell which language is spoken in a window: what the model says when it is not told."""
        with self._engine.lock, torch.inference_mode():
            inputs = self._engine.processor.apply_transcription_request(audio=audio)
            sounds = self._sounds(inputs)
            tokens, _ = self._text.decode(inputs["input_ids"][0].tolist(), sounds, (), SPOKEN)
        return named(self._engine.processor.tokenizer.decode(tokens))

    def _sounds(self, inputs: Any) -> "_Sounds":
        return self._audio.encode(inputs["input_features"][0], inputs["input_features_mask"][0])

    def _continue(self, audio: Samples, language: Language, known: str) -> str | None:
        """Decode what follows the known text; None if it does not end."""
        processor = self._engine.processor
        inputs = processor.apply_transcription_request(audio=audio, language=language.code)
        tokenizer = processor.tokenizer
        sounds = self._sounds(inputs)
        prompt = [*inputs["input_ids"][0].tolist(), *_ids(tokenizer, known)]
        budget = token_budget(audio)
        tokens, ended = self._text.decode(prompt, sounds, self._held(known), budget)
        if not ended:
            self._guess = ("", [])
            return None
        said: str = tokenizer.decode(tokens, skip_special_tokens=True)
        self._guess = (known + said, [*_ids(tokenizer, known), *tokens])
        return said

    def _held(self, known: str) -> list[int]:
        """Return the tokens of the last hypothesis beyond the known text."""
        text, tokens = self._guess
        beginning = _ids(self._engine.processor.tokenizer, known)
        if not text.startswith(known) or tokens[: len(beginning)] != beginning:
            return []
        return tokens[len(beginning) :]


def require_known(language: Language) -> None:
    """Raise UsageError unless Qwen3-ASR knows the language."""
    if language.code not in LANGUAGE_CODE_TO_NAME:
        known = ", ".join(LANGUAGE_CODE_TO_NAME)
        raise UsageError(f"Qwen3-ASR does not know {language.name}. It knows: {known}.")


def named(said: str) -> Spoken | None:
    """Return the language that the model names, as in ``language German<asr_text>``, if it does."""
    found = re.match(rf"\s*language ({'|'.join(_CODES)})", said)
    return Spoken(_CODES[found[1]], 1.0) if found else None


def timed_words(
    aligner: ForcedAligner | None, audio: Samples, known: str, said: str, language: Language
) -> list[SourceWord]:
    """Return the words that were said beyond the known ones, in seconds since the audio began.

    Without an aligner for the language they are spread evenly over the audio.
    """
    text = known + said
    if aligner is not None and aligner.knows(language):
        return aligner.align(audio, text, language, known)
    if not any(map(str.isalnum, text)):
        return []
    return continued(known, text, (), len(audio) / SAMPLE_RATE, language)


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    return ids


@dataclass(frozen=True, slots=True)
class _Sounds:
    """Encoded audio.

    Attributes
    ----------
    vectors
        One for each audio token, shape [n, d].
    names
        For each audio token, what is the same as long as its vector is, length n.
    """

    vectors: Tensor
    names: list[tuple[int, int]]


class _Audio:
    """Encodes windows of audio, keeping the blocks that did not change.

    Blocks are compared by their features, which makes reuse exact: a louder sound later on may
    change the features of earlier audio, and then the block is encoded again.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._frames = model.config.audio_config.n_window_infer
        self._kept: list[tuple[Tensor, Tensor, int]] = []  # features, vectors, number
        self._encoded = 0  # blocks ever encoded

    def encode(self, features: Tensor, mask: Tensor) -> _Sounds:
        """Encode log-mel features, shape [mels, frames], with a mask of real frames [frames]."""
        blocks = zip(
            torch.split(features, self._frames, 1), torch.split(mask, self._frames), strict=True
        )
        kept, self._kept = self._kept, []
        for index, (block, real) in enumerate(blocks):
            before = kept[index] if index < len(kept) else None
            if before is not None and torch.equal(before[0], block):
                self._kept.append(before)
            else:
                self._kept.append((block, self._vectors(block, real), self._encoded))
                self._encoded += 1
        return _Sounds(
            torch.cat([vectors for _, vectors, _ in self._kept]),
            [(number, at) for _, vectors, number in self._kept for at in range(len(vectors))],
        )

    def _vectors(self, block: Tensor, real: Tensor) -> Tensor:
        model = self._model
        features = block[None].to(model.device, model.dtype)
        encoded = model.get_audio_features(features, real[None].to(model.device), return_dict=True)
        vectors: Tensor = encoded.pooler_output
        return vectors


class _Text:
    """Greedy decoding that keeps keys and values of what two prompts have in common."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = DynamicCache()
        self._cached: list[object] = []
        ends = model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list | tuple) else [ends])

    def decode(
        self, prompt: Sequence[int], sounds: _Sounds, guess: Sequence[int], budget: int
    ) -> tuple[list[int], bool]:
        """Continue the prompt; return the new tokens, and whether the model ended by itself.

        ``guess`` is verified in the first pass; it never changes the result.
        """
        names, vectors = self._inputs(prompt, sounds)
        said: list[int] = []
        while len(said) < budget:
            guess = guess[: budget - len(said) - 1]
            fed = [*said, *guess]
            choices = self._feed(
                [*names, *fed], torch.cat([vectors, self._embed(fed)]), len(names) + len(said) - 1
            )
            for index, token in enumerate(choices):
                if token in self._ends:
                    return said, True
                said.append(token)
                if index >= len(guess) or guess[index] != token:
                    break
            guess = []
        return said, False

    def _inputs(self, prompt: Sequence[int], sounds: _Sounds) -> tuple[list[object], Tensor]:
        """Put the sounds in their places; return names and vectors of every position."""
        ids = torch.tensor(prompt, device=self._model.device)
        places = (ids == self._model.config.audio_token_id).nonzero()[:, 0]
        vectors = self._embed(prompt)
        vectors[places] = sounds.vectors.to(vectors.dtype)
        names: list[object] = list(prompt)
        for place, name in zip(places.tolist(), sounds.names, strict=True):
            names[place] = name
        return names, vectors

    def _embed(self, ids: Sequence[int]) -> Tensor:
        model = self._model
        tokens = torch.tensor(list(ids), dtype=torch.long, device=model.device)
        vectors: Tensor = model.get_input_embeddings()(tokens)
        return vectors

    def _feed(self, names: list[object], vectors: Tensor, start: int) -> list[int]:
        """Bring the cache to ``names`` and return the greedy token after each from ``start`` on."""
        keep = 0
        while keep < min(start, len(self._cached)) and self._cached[keep] == names[keep]:
            keep += 1
        if keep:
            self._cache.crop(keep - len(self._cached))
        else:
            self._cache = DynamicCache()
        self._cached = []  # nothing is known of the cache should the pass fail
        logits = self._model(
            inputs_embeds=vectors[None, keep:],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=len(names) - start,
        ).logits[0]
        self._cached = names
        best: list[int] = logits.argmax(-1).tolist()
        return best


def load(asked: Asked) -> Qwen3AsrEngine:
    """Load the model with transformers, and its aligner."""
    return Qwen3AsrEngine(asked.folder, ForcedAligner.of(asked.aligner))

"""Gemma 4 as a recogniser: a chat model that hears, gated by where its own attention hears.

The model transcribes a window of audio. Its audio alignment heads say which 40 ms frame each token
looks at, which gives words their times; and by AlignAtt a word is final as soon as the model no
longer looks at the end of the audio for it. Without a head set, words are spread over the window
and hypotheses have to agree.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, Gemma4AudioFeatureExtractor, Gemma4ForConditionalGeneration

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import SourceWord
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.machine.device import Device
from alignatt4llm.recognizers.agreement import HOLD_BACK, Agreement
from alignatt4llm.recognizers.attended import Attended
from alignatt4llm.recognizers.checkpoint import load_checkpoint, read
from alignatt4llm.recognizers.frames import monotone, words_at
from alignatt4llm.recognizers.table import Asked
from alignatt4llm.recognizers.window import WindowRecognizer, token_budget
from alignatt4llm.recognizers.word_repair import continued
from alignatt4llm.text.languages import Language

ASK = (
    "Transcribe the following speech segment in {language} into {language} text. "
    "Only output the transcription, with no newlines."
)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the model looks in the audio while it says a given text.

    Attributes
    ----------
    spans
        Characters of the text that each of its T tokens covers, length T.
    rows
        Attention over the F audio frames, shape [T, H, F].
    """

    spans: tuple[tuple[int, int], ...]
    rows: NDArray[np.float32]


class GemmaAudioEngine:
    """A Gemma 4 model with its audio tower, loaded once; recognisers may share it.

    Parameters
    ----------
    path
        Folder of the checkpoint.
    heads
        Audio alignment heads of this model; see ``alignatt heads audio``.
    device
        Where the model runs.

    Raises
    ------
    AlignattError
        If the folder holds no such model, or one without an audio tower.
    """

    def __init__(
        self, path: Path, heads: HeadSet | None = None, device: Device | None = None
    ) -> None:
        self.tokenizer, self.model = load_checkpoint(
            path, AutoTokenizer, Gemma4ForConditionalGeneration, device or Device.best()
        )
        if self.model.config.audio_config is None:
            raise AlignattError(f"'{path}' holds a Gemma 4 without an audio tower.")
        self.model.set_attn_implementation({"text_config": "eager"})  # it returns its rows
        self._features = read(path, Gemma4AudioFeatureExtractor)
        self.heads = heads
        self.lock = Lock()

    @property
    def every_head(self) -> list[tuple[int, int]]:
        """All heads of the text decoder."""
        text = self.model.config.get_text_config()
        layers, heads = range(text.num_hidden_layers), range(text.num_attention_heads)
        return [(layer, head) for layer in layers for head in heads]

    def open(self, language: Language, hold_back: float = HOLD_BACK) -> WindowRecognizer:
        """Start recognising one stream of speech in ``language``."""
        agreement = Agreement(hold_back) if self.heads is None else Attended(hold_back)
        return WindowRecognizer(self, language, agreement)

    def transcribe(
        self, audio: Samples, language: Language, beginning: Sequence[str] = ()
    ) -> list[SourceWord] | None:
        """Recognise a window of audio; see `SpeechModel.transcribe`."""
        known = language.separator.join(beginning)
        with self.lock, torch.inference_mode():
            said = self._continue(audio, language, known)
        if said is None:
            return None
        return self._timed(audio, language, known, known + said)

    def listen(
        self, audio: Samples, language: Language, text: str, heads: Sequence[tuple[int, int]],
        own: bool = False,
    ) -> Listening:  # fmt: skip
        """Read where the model looks in the audio while it is made to say ``text``.

        Parameters
        ----------
        audio
            Samples, shape [n].
        language
            What is spoken.
        text
            What is said.
        heads
            (layer, head) of each row wanted.
        own
            Whether rows are read at the tokens themselves rather than where they are predicted.
        """
        with self.lock, torch.inference_mode(), self._watching(heads) as seen:
            inputs, said = self._inputs(audio, language, text)
            self.model(**inputs, logits_to_keep=1)
        frames = (inputs["input_ids"][0] == self.model.config.audio_token_id).nonzero()[:, 0]
        first = inputs["input_ids"].shape[1] - len(said) - int(not own)
        rows = [seen[layer][0, head, first : first + len(said)][:, frames] for layer, head in heads]
        stacked = torch.stack(rows, 1).float().cpu().numpy()
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return Listening(tuple(map(tuple, encoded["offset_mapping"])), stacked)

    def _continue(self, audio: Samples, language: Language, known: str) -> str | None:
        """Say what follows the known text; None if there is no end to it."""
        inputs, _ = self._inputs(audio, language, known)
        budget = token_budget(audio)
        out = self.model.generate(**inputs, max_new_tokens=budget, do_sample=False)
        new = out[0, inputs["input_ids"].shape[1] :]
        if len(new) >= budget:
            return None
        text: str = self.tokenizer.decode(new, skip_special_tokens=True)
        return text.replace("\n", " ").rstrip()

    def _inputs(
        self, audio: Samples, language: Language, text: str
    ) -> tuple[dict[str, Tensor], list[int]]:
        """Return the model's inputs, and the tokens of ``text`` that end them."""
        model, tokenizer = self.model, self.tokenizer
        features = self._features([audio], sampling_rate=SAMPLE_RATE, return_tensors="pt")
        mask = features["input_features_mask"]
        frames = int(mask[:, ::2][:, ::2].sum())  # two convolutions of stride 2
        ask = f"{ASK.format(language=language.name)}\n{tokenizer.audio_token}"
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": ask}], tokenize=False, add_generation_prompt=True
        )
        sounds = tokenizer.boa_token + tokenizer.audio_token * frames + tokenizer.eoa_token
        prompt = prompt.replace(tokenizer.audio_token, sounds)
        said = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
        ids = [*tokenizer(prompt, add_special_tokens=False)["input_ids"], *said]
        device = model.device
        return {
            "input_ids": torch.tensor([ids], device=device),
            "attention_mask": torch.ones(1, len(ids), dtype=torch.long, device=device),
            "input_features": features["input_features"].to(device, model.dtype),
            "input_features_mask": mask.to(device),
        }, said

    @contextmanager
    def _watching(self, heads: Sequence[tuple[int, int]]) -> Iterator[dict[int, Tensor]]:
        """While open, every pass leaves the rows of the chosen layers, [B, H, T, L], here."""
        seen: dict[int, Tensor] = {}
        layers = self.model.model.language_model.layers

        def keep(layer: int) -> Any:
            def hook(module: Any, inputs: Any, output: Any) -> None:
                seen[layer] = output[1]

            return hook

        hooks = [
            layers[layer].self_attn.register_forward_hook(keep(layer))
            for layer in {layer for layer, _ in heads}
        ]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()

    def _timed(self, audio: Samples, language: Language, known: str, text: str) -> list[SourceWord]:
        duration = len(audio) / SAMPLE_RATE
        if not any(map(str.isalnum, text)):
            return []
        if self.heads is None:
            return continued(known, text, (), duration, language)
        heard = self.listen(audio, language, text, self.heads.heads, self.heads.row == "own")
        frames = monotone(self.heads.combine(heard.rows))
        timed = words_at(text, heard.spans, frames, duration)
        return continued(known, text, timed, duration, language)


def load(asked: Asked) -> GemmaAudioEngine:
    """Load the model with transformers, and its audio heads if there are any."""
    heads = load_head_set(asked.audio_heads) if asked.audio_heads else None
    return GemmaAudioEngine(asked.folder, heads)

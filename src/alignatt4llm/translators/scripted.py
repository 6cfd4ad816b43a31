"""A translator that follows a script: for tests of sessions and clients, without weights."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alignatt4llm.draft import Draft, Judge, TokenEvidence
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.prompts.prompt import Prompt, PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Asked, Drafter, Loaded
from alignatt4llm.translators.stepper import Stepper

NAME = "scripted"
PAIRS = ("en-de", "en-it", "en-zh")
"""Directions that it lists; it translates any."""

COST = "ALIGNATT_SCRIPTED_PASS"
"""Environment variable with the seconds that a pass takes, for measurements of what serves: as
``0.05``, or as ``0.04+0.02`` where each token in it takes some more."""

Script = Callable[[Sequence[str]], Sequence[tuple[str, int]]]
"""Source words to the whole translation: (piece of text, source word it comes from)."""


def word_for_word(words: Sequence[str]) -> list[tuple[str, int]]:
    """Translate every word into itself in capitals."""
    return [(f" {word.upper()}", index) for index, word in enumerate(words)]


class ScriptedDrafter:
    """Drafts what a script says, one token per piece, each looking at its source word only.

    Parameters
    ----------
    script
        Gives the whole translation of the visible source words.
    """

    def __init__(self, script: Script = word_for_word) -> None:
        self._script = script

    def draft(
        self,
        prompt: Prompt,
        budget: int,
        judge: Judge | None = None,
        guess: Sequence[int] = (),
    ) -> Draft:
        """Continue the script after the accepted text, as far as the budget goes."""
        pieces = self._beyond(prompt)
        rows = np.zeros((len(pieces), 1, len(prompt.words)), np.float32)
        words = np.arange(len(prompt.words), dtype=np.int64)
        taken, evidence = 0, list[TokenEvidence]()
        for taken, (_, word) in enumerate(pieces[:budget], start=1):
            rows[taken - 1, 0, word] = 1.0
            if judge is not None:
                evidence += judge(rows[taken - 1 : taken], words)
                if evidence[-1].hold:
                    break
        text = "".join(piece for piece, _ in pieces[:taken])
        ends = np.cumsum([len(piece) for piece, _ in pieces[:taken]], dtype=np.int64)
        return Draft(
            text=text,
            ids=tuple(range(taken)),
            ends=tuple(int(end) for end in ends),
            rows=rows[:taken],
            words=words,
            ended=taken == len(pieces),
            logprobs=np.zeros(taken, np.float32),
            evidence=tuple(evidence),
        )

    def close(self) -> None:
        """Nothing is kept."""

    def _beyond(self, prompt: Prompt) -> list[tuple[str, int]]:
        """What is left of the script: the longest suffix not yet in the accepted text."""
        pieces = list(self._script(prompt.words))
        said = "".join(prompt.accepted.split())
        while pieces and said:
            piece, word = pieces.pop(0)
            bare = "".join(piece.split())
            if not said.startswith(bare):
                return (
                    [(_after(piece, len(said)), word), *pieces] if bare.startswith(said) else pieces
                )
            said = said[len(bare) :]
        return pieces


def _after(text: str, signs: int) -> str:
    """Return what follows the first ``signs`` signs that are not white space."""
    places = [place for place, sign in enumerate(text) if not sign.isspace()]
    return text[places[signs - 1] + 1 :]


@dataclass(frozen=True, slots=True)
class _Token:
    ids: tuple[int]


class CostlyDrafter:
    """Takes as long as a model would: a pass a token, together with other streams' tokens.

    Parameters
    ----------
    drafter
        Makes the drafts.
    stepper
        Brings the tokens of all streams together.
    """

    def __init__(self, drafter: Drafter, stepper: Stepper[_Token]) -> None:
        self._drafter = drafter
        self._stepper = stepper

    def draft(
        self,
        prompt: Prompt,
        budget: int,
        judge: Judge | None = None,
        guess: Sequence[int] = (),
    ) -> Draft:
        """Continue the prompt; a draft of nothing takes a pass as well."""
        draft = self._drafter.draft(prompt, budget, judge, guess)
        with self._stepper.drafting():
            for token in draft.ids or (0,):
                self._stepper.step(_Token((token,)))
        return draft

    def close(self) -> None:
        """Free what the drafter keeps."""
        self._drafter.close()


class ScriptedTranslator:
    """Stands in for a model: every stream is drafted for by a drafter of its own.

    Parameters
    ----------
    drafter
        Makes what drafts for a stream.
    """

    def __init__(self, drafter: Callable[[], Drafter] = ScriptedDrafter) -> None:
        self._drafter = drafter

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return a prompt, which nobody reads."""
        return FewShotPrompt(pair, shots=0)

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> Drafter:
        """Start drafting for one stream."""
        return self._drafter()


def costly(seconds: float, each: float = 0.0) -> ScriptedTranslator:
    """Return a translator whose passes take so long, and some more for each stream in one."""
    stepper = Stepper[_Token](lambda feeds: time.sleep(seconds + each * len(feeds)))
    return ScriptedTranslator(lambda: CostlyDrafter(ScriptedDrafter(), stepper))


def load(asked: Asked) -> Loaded:
    """Return the scripted translator, of which every head is good for every direction."""
    heads = HeadSet(NAME, PAIRS[0], ((0, 0),))
    costs = [float(cost) for cost in os.environ.get(COST, "0").split("+")]
    translator = costly(*costs) if any(costs) else ScriptedTranslator()
    return Loaded(NAME, "", translator, heads=heads, pairs=PAIRS)

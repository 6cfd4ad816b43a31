"""The head sets of a model in memory: chosen by direction, and calibrated where there is none."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from threading import Lock

from alignatt4llm.calibrate.model import watched
from alignatt4llm.errors import Tell, UsageError
from alignatt4llm.heads.choice import Chosen, choose, every_pair, no_set, ready_pairs
from alignatt4llm.heads.headset import ANY, HeadSet
from alignatt4llm.heads.kept import kept_key
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Loaded


class HeadSets:
    """The head sets of one model; each is chosen once, and told.

    Parameters
    ----------
    loaded
        The model in its engine.
    form
        Returns the prompt of a direction's sessions.
    given
        What the user has given.
    calibrates
        Whether a set may be calibrated where there is none.
    tell
        Is told which set is used, and what calibrating costs.
    """

    def __init__(
        self,
        loaded: Loaded,
        form: Callable[[Pair], PromptForm],
        given: HeadSet | None,
        calibrates: bool,
        tell: Tell,
    ) -> None:
        self._loaded, self._form, self._tell = loaded, form, tell
        self._given, self._calibrates = given, calibrates
        self._chosen: dict[str, Chosen] = {}
        self._choosing = Lock()

    @property
    def pairs(self) -> tuple[str, ...]:
        """Directions for which nothing has to be calibrated, as ``en-de``."""
        return tuple(dict.fromkeys((*self._ready, *self._chosen)))

    @cached_property
    def _ready(self) -> tuple[str, ...]:
        """Directions that were ready when the model was loaded."""
        ready = (*self._loaded.pairs, *ready_pairs(self._loaded.name, self._base, self._key))
        if self._given is None:
            return ready
        return (*(every_pair() if self._given.pair == ANY else (self._given.pair,)), *ready)

    def refuse_calibration(self) -> None:
        """Calibrate none from now on."""
        self._calibrates = False

    def choose(self, pair: Pair) -> Chosen:
        """Return the head set of a direction; it is calibrated first if there is none.

        Raises
        ------
        AlignattError
            If there is none and it may not be calibrated, or cannot be.
        """
        with self._choosing:
            if str(pair) not in self._chosen:
                self._chosen[str(pair)] = found = self._choose(pair)
                self._tell(str(found))
            return self._chosen[str(pair)]

    def _choose(self, pair: Pair) -> Chosen:
        found = choose(
            self._loaded.name,
            pair,
            base=self._base,
            given=self._given,
            own=self._own(pair),
            key=lambda: self._key(pair),
        )
        return found or Chosen(self._calibrated(pair), pair, "kept")

    def _own(self, pair: Pair) -> HeadSet | None:
        """Return what the adapter has, or the engine."""
        if adapter := self._loaded.adapter:
            return adapter.head_set(pair)
        own = self._loaded.heads
        return replace(own, pair=str(pair)) if own else None

    @property
    def _base(self) -> str:
        return self._loaded.adapter.base if self._loaded.adapter else ""

    @cached_property
    def _weights(self) -> str:
        return self._loaded.weights

    def _key(self, pair: Pair) -> str:
        """Return what a calibration depends on: weights, direction and prompt.

        Empty where the weights are on another machine: then a set is known by the model's name.
        """
        return kept_key(self._weights, str(pair), self._form(pair)(()).text)

    def _calibrated(self, pair: Pair) -> HeadSet:
        if not self._calibrates:
            raise UsageError(no_set(pair, self._loaded.name))
        from alignatt4llm.calibrate.first_use import calibrate_first

        model = watched(self._loaded, pair, self._form(pair))
        try:
            return calibrate_first(model, pair, self._key(pair), self._tell)
        finally:
            model.forcer.close()

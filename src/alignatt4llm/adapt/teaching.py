"""The loop: lessons, two losses, and an exam now and then."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from alignatt4llm.adapt.checkpoint import Checkpoint
from alignatt4llm.adapt.course import Course
from alignatt4llm.adapt.curriculum import Curriculum
from alignatt4llm.adapt.encode import Encoded, encode
from alignatt4llm.adapt.lessons import Lesson
from alignatt4llm.adapt.losses import Batch, guided_loss, token_loss
from alignatt4llm.adapt.scores import accuracy, observe, score
from alignatt4llm.adapt.settings import TeachingSettings
from alignatt4llm.adapt.student import Student
from alignatt4llm.errors import Tell
from alignatt4llm.heads.headset import Head
from alignatt4llm.prompts.prompt import PromptForm

SAVE_EVERY = 25
"""Steps after which it is written down where teaching stands."""
TELL_EVERY = 10
"""Steps between two lines about progress."""


def rate(step: int, settings: TeachingSettings) -> float:
    """Return the learning rate of a step, counted from 0."""
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    passed = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.rate * (1 + math.cos(math.pi * passed)) / 2


class Teaching:
    """A model that is being taught.

    Parameters
    ----------
    student
        The model.
    curriculum
        The lessons.
    courses
        Held-out lessons of each direction, and those on which heads are chosen.
    forms
        The prompt of each direction, by name.
    settings
        How it is taught.
    tell
        Is told the progress.

    Attributes
    ----------
    step
        Steps that are done.
    heads
        Heads that are taught where to look.
    losses, scores, seconds
        As in `Checkpoint`.
    """

    def __init__(
        self,
        student: Student,
        curriculum: Curriculum,
        courses: Sequence[Course],
        forms: dict[str, PromptForm],
        settings: TeachingSettings,
        tell: Tell,
    ) -> None:
        self._student, self._curriculum = student, curriculum
        self._forms, self._settings, self._tell = forms, settings, tell
        self._samples = [self._encoded(course.sample) for course in courses]
        self._exams = [(each.pair, each.exam, self._encoded(each.exam)) for each in courses]
        self._optimizer = torch.optim.AdamW(student.weights, lr=settings.rate, weight_decay=0.0)
        self.step = 0
        self.heads: list[Head] = []
        self.losses: list[tuple[float, float]] = []
        self.scores: list[dict[str, Any]] = []
        self.seconds = 0.0

    def run(self, save: Callable[[], None], stopping: Callable[[], bool]) -> bool:
        """Teach up to the last step; return False if it was stopped before.

        Parameters
        ----------
        save
            Writes down where teaching stands; called now and then, and when it is stopped.
        stopping
            Asked before each step.
        """
        if not self.scores:
            self.heads = self._choose_heads()
            self._examine()
        began = time.monotonic() - self.seconds
        while self.step < self._settings.steps:
            if stopping():
                save()
                return False
            self._learn()
            self.seconds = time.monotonic() - began
            self._report()
            if self._is_due():
                self._examine()
            if self.step % SAVE_EVERY == 0 or self.step == self._settings.steps:
                save()
        return True

    def checkpoint(self, key: str) -> Checkpoint:
        """Return where teaching stands."""
        weights = self._weights()
        return Checkpoint(
            key,
            self.step,
            self.heads,
            {name: weight.detach().cpu().clone() for name, weight in weights.items()},
            self._optimizer.state_dict(),
            self.losses,
            self.scores,
            self.seconds,
        )

    def restore(self, found: Checkpoint) -> None:
        """Go on from where teaching stood."""
        with torch.no_grad():
            for name, weight in self._weights().items():
                weight.copy_(found.weights[name])
        self._optimizer.load_state_dict(found.optimizer)
        self.step, self.seconds = found.step, found.seconds
        self.heads = [(layer, head) for layer, head in found.heads]
        self.losses, self.scores = list(found.losses), list(found.scores)

    def _weights(self) -> dict[str, torch.nn.Parameter]:
        named = self._student.adapted.named_parameters()
        return {name: weight for name, weight in named if weight.requires_grad}

    def _encoded(self, lessons: Sequence[Lesson]) -> list[Encoded]:
        vocabulary = self._student.vocabulary
        return [encode(one, self._forms[str(one.pair)], vocabulary) for one in lessons]

    def _learn(self) -> None:
        """Take one step."""
        size, settings = self._settings.batch, self._settings
        numbers = range(self.step * size, (self.step + 1) * size)
        lessons = self._encoded([self._curriculum[number] for number in numbers])
        batch = Batch.of(lessons, self._student.device)
        logits, rows = self._student.read(batch, self.heads)
        said = token_loss(logits, batch.labels)
        looked = guided_loss(rows, batch.source, batch.right)
        for group in self._optimizer.param_groups:
            group["lr"] = rate(self.step, settings)
        self._optimizer.zero_grad(set_to_none=True)
        (said + settings.weight * looked).backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self._student.weights, settings.clip)
        self._optimizer.step()
        self.losses.append((said.item(), looked.item()))
        self.step += 1

    def _report(self) -> None:
        if self.step % TELL_EVERY and self.step != self._settings.steps:
            return
        said, looked = np.mean(self.losses[-TELL_EVERY:], axis=0)
        left = self.seconds / self.step * (self._settings.steps - self.step)
        heads = f", heads {looked:.3f}" if self.heads else ""
        self._tell(
            f"step {self.step} of {self._settings.steps}: loss {said:.3f}{heads}, {left:.0f} s left"
        )

    def _is_due(self) -> bool:
        every = self._settings.score_every
        return self.step == self._settings.steps or bool(every and self.step % every == 0)

    def _examine(self) -> None:
        for pair, lessons, encoded in self._exams:
            found = score(self._student, lessons, encoded, self.heads).described()
            self.scores.append({"step": self.step, "pair": str(pair), **found})
            shown = ", ".join(
                f"{name} {value}" for name, value in found.items() if value is not None
            )
            self._tell(f"{pair} after {self.step} steps, held out: {shown}")

    def _choose_heads(self) -> list[Head]:
        """Return the heads that look best already, averaged over the directions."""
        if not self._settings.guided:
            return []
        every = self._student.layout.every
        self._tell(f"Choosing {self._settings.guided} of {len(every)} heads")
        seen = [observe(self._student, sample, every).rows for sample in self._samples]
        found = np.sum([accuracy(rows, each=True) for rows in seen], axis=0)
        best = np.argsort(-found, kind="stable")[: self._settings.guided]
        return [every[int(n)] for n in best]

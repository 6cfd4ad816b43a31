"""Made-up recordings, systems and models for the tests of evaluation."""

from dataclasses import dataclass, field

from alignatt4llm.evaluate.corpus import Recording, Segment
from alignatt4llm.evaluate.hypothesis import Hypothesis
from alignatt4llm.evaluate.runs import Plan, read_run, run
from alignatt4llm.events import Commit
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.session import Session
from alignatt4llm.translators.scripted import ScriptedDrafter


def recording(name, *segments):
    """Make a recording of segments given as (offset, duration, source, reference)."""
    made = tuple(Segment(*segment) for segment in segments)
    return Recording(name, made[-1].end, None, made)


def hypothesis(name, text, delays, elapsed=None, *, length=6000.0, processing=0.0, **more):
    """Make what was said of a recording; CA is CU unless given."""
    elapsed = delays if elapsed is None else elapsed
    defaults = {"transcript": "", "segments": ()} | more
    return Hypothesis(name, length, text, tuple(delays), tuple(elapsed), processing, **defaults)


def made_run(folder, recordings, hypotheses, pair="en-de", **manifest):
    """Write a run in which a system says exactly this, and read it back."""
    said = {one.source: one for one in hypotheses}

    def system():
        def translate(recording, record):
            record(Commit(said[recording.name].prediction, 0, 1.0, 1.0, 0))
            return said[recording.name]

        return translate

    described = {"pair": pair, "policy": "made-up", **manifest}
    run([Plan(folder, described, recordings, system)], 1, lambda message: None)
    return read_run(folder)


class ScriptedTranslator:
    """An LLM that translates every word into itself in capitals."""

    def prompt_form(self, pair, form="auto"):
        return FewShotPrompt(pair)

    def open(self, pair, heads, beginning=""):
        return ScriptedDrafter()


@dataclass
class ScriptedInterpreter:
    """Stands in for `Interpreter`: models without weights; sessions need a recogniser."""

    translator: ScriptedTranslator = field(default_factory=ScriptedTranslator)

    def heads(self, pair):
        return head_set_for("gemma-3-270m", str(pair))

    def open(self, pair, settings, *, heads, prompt, policy, recognizer):
        return Session(
            recognizer,
            self.translator.open(pair, heads),
            policy or AlignAtt(heads, settings.policy),
            self.translator.prompt_form(pair, prompt),
            pair,
            settings.session,
        )

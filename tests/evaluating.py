"""Made-up recordings, systems and models for the tests of evaluation."""

from alignatt4llm.evaluate.corpus import Recording, Segment
from alignatt4llm.evaluate.hypothesis import Hypothesis
from alignatt4llm.evaluate.runs import Plan, read_run, run
from alignatt4llm.events import Commit


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

"""A call that is lost with its replica is made again; a bound ends that."""

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, NodeDiedError, RayTaskError
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError

from alignatt4llm.cluster.calls import Engines
from alignatt4llm.cluster.drafts import Described
from alignatt4llm.errors import AlignattError, PromptTooLong
from alignatt4llm.settings.system import System


class Handle:
    """Answers as it is told: what is an exception is raised."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def options(self, **options):
        self.asked.append(options)
        return self

    def remote(self, *arguments):
        return self

    def result(self, timeout_s):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception) and not isinstance(answer, AlignattError):
            raise answer
        return answer


LOST = [
    ActorDiedError(),
    ActorUnavailableError("away", None),
    NodeDiedError("gone"),
    DeploymentUnavailableError("engine"),
    RequestCancelledError("1"),
    TimeoutError(),
]


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_call_that_is_lost_is_made_again(lost, times):
    handle, waits = Handle(*[lost] * times, "a draft"), []
    assert Engines(handle, wait=waits.append).ask("draft", 1, stream="s") == "a draft"
    assert len(handle.asked) == times + 1 and waits == sorted(waits) and max(waits) <= 2
    assert all(each == {"method_name": "draft", "session_id": "s"} for each in handle.asked)


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_a_bound_ends_that_with_one_sentence(lost):
    with pytest.raises(AlignattError, match=r"^No engine replica has answered for 0\.2 s; "):
        Engines(Handle(lost), patience=0.2).ask("draft")


def test_what_the_engine_refuses_is_raised_as_it_is():
    handle = Handle(PromptTooLong("too long"))
    with pytest.raises(PromptTooLong, match=r"^too long$"):
        Engines(handle).ask("draft")
    assert len(handle.asked) == 1


def test_an_engine_that_fails_is_not_asked_again():
    handle = Handle(RayTaskError("draft", "traceback", ValueError("broken")))
    with pytest.raises(RayTaskError):
        Engines(handle).ask("draft")
    assert len(handle.asked) == 1


OWN = (System("scripted", policy="alignatt"), ("en-de",))
OTHERS = [
    (System("scripted", policy="wait-3"), ("en-de",)),
    (System("scripted", prompt="chat"), ("en-de",)),
    (System("scripted", head_count=1), ("en-de",)),
    (System("scripted", "scripted"), ("en-de",)),
    (System("embedded"), ("en-de",)),
    (System("scripted"), ()),
]


def described(models):
    return Described(models, System("chosen"), "scripted", "here", None, None, (), None)


@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("times", [0, 1, 4])
def test_only_a_replica_with_the_own_models_describes_them(other, times):
    handle, waits = Handle(*[described(other)] * times, described(OWN)), []
    assert Engines(handle, wait=waits.append).describe(OWN) == described(OWN)
    assert len(waits) == times


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_bound_ends_the_wait_for_the_own_models(other):
    with pytest.raises(AlignattError, match=r"^Only engine replicas with other models answer; "):
        Engines(Handle(described(other)), patience=0.2).describe(OWN)

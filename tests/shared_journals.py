"""What holds wherever journals are kept; a test file imports all of it and brings its own `place`.

A place has an ``address`` and a ``store``; ``fail`` makes it refuse what is written and ``mend``
takes that back.
"""

import json
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alignatt4llm.events import Commit, SourceWord
from alignatt4llm.serve.errors import Replaced, Unkept, UnknownSession
from alignatt4llm.serve.journals import journal as journals
from alignatt4llm.serve.journals.journal import Journal, events_of
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Pasts

HEADER = {"from": "en", "to": ["de"], "version": 2}
PATIENT = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def said(text):
    return Commit(text, 0, 1.0, 1.0, 0, (), "de")


def begun(place, name):
    return Journal(place.store.create({**HEADER, "session": name}), owned=True)


def found(place, name):
    return Journal(place.store.open(name))


def texts(journal):
    return [event.text for event in events_of(journal)]


def numbers(journal):
    read = []
    while lines := journal.since(len(read)):
        read += [json.loads(line)["seq"] for line in lines]
    return read


STEPS = st.lists(
    st.tuples(st.sampled_from(["say", "hear", "take", "look", "part", "fail"]), st.integers(0, 2)),
    max_size=30,
)


class Unsure:
    """A log whose store fails when it is told to, before it writes or, where it may, after."""

    def __init__(self, log, after):
        self._log, self._after, self.fails = log, after, False

    def __getattr__(self, name):
        return getattr(self._log, name)

    def write(self, lines):
        if self.fails:
            self.fails = False
            if not self._after:
                raise Unkept("it was told to")
            with patch.object(self._log, "_write", unanswered(self._log._write)):
                self._log.write(lines)
        self._log.write(lines)


def unanswered(write):
    """Write, and have no answer."""

    def late(*known):
        write(*known)
        raise Unkept("it was told to")

    return late


def several(place, name, after):
    """Return three journals of one session, of whom the first is its owner."""
    logs = [Unsure(place.store.create({**HEADER, "session": name}), after)]
    logs += [Unsure(place.store.open(name), after) for _ in range(2)]
    return logs, [Journal(log, owned=log is logs[0]) for log in logs]


@settings(max_examples=60, **PATIENT)
@given(steps=STEPS, after=st.booleans())
def test_whoever_writes_the_events_of_one_owner_stand_behind_those_of_another(place, steps, after):
    after = after and place.writes_again
    name = place.new_name()
    logs, all_of_them = several(place, name, after)
    kept, epoch, epochs = [], 0, [0, 0, 0]
    for number, (what, who) in enumerate(steps):
        journal = all_of_them[who]
        if what == "say":
            label = f"{epochs[who]}.{number}"
            journal.append(said(label), lambda label=label: kept.append(label))
        elif what == "hear":
            journal.hear(Settled((SourceWord("w", 0.0, 1.0),), number))
        elif what == "fail":
            logs[who].fails = True
        elif what == "part":
            journal.close()
        elif what == "look":
            journal.look()
        else:
            journal.close()
            logs[who] = Unsure(place.store.open(name), after)
            all_of_them[who] = Journal(logs[who])
            all_of_them[who].take()
            epoch += 1
            epochs[who] = epoch
    for journal in all_of_them:
        journal.flush()
    whole = found(place, name)
    written = texts(whole)
    if after:  # what was written without an answer may be, and is not told where it was said
        assert [label for label in written if label in kept] == kept
    else:
        assert written == kept
    assert numbers(whole) == [*range(1, len(written) + 1)]
    in_order = sorted(set(written), key=lambda label: [int(part) for part in label.split(".")])
    assert written == in_order
    for journal in all_of_them:
        if journal.look() or journal.last == whole.last:
            assert texts(journal) == written


def test_an_owner_that_was_replaced_writes_nothing_more_and_knows_it(place):
    name = place.new_name()
    first = begun(place, name)
    first.append(said("a"))
    second = found(place, name)
    second.take()
    told = []
    first.append(said("b"), lambda: told.append("b"))
    second.append(said("c"))
    assert isinstance(first.problem, Replaced) and not told
    assert texts(found(place, name)) == ["a", "c"]


def test_an_owner_that_was_replaced_knows_it_at_its_next_look(place):
    name = place.new_name()
    first = begun(place, name)
    found(place, name).take()
    assert first.problem is None
    first.flush()
    assert isinstance(first.problem, Replaced)


def test_who_takes_over_is_told_what_was_said_up_to_that_moment(place):
    name = place.new_name()
    first = begun(place, name)
    first.append(said("a"))
    log = place.store.open(name)
    past = Pasts(["de"])
    second = Journal(log, past)
    first.append(said("b"))
    first.hear(Settled((SourceWord("w", 0.0, 1.0),), 16_000))
    second.take()
    pieces = past.targets["de"].past.standing
    assert (second.last, past.settled, pieces.said) == (2, 16_000, True)
    assert [word.text for word in past.words] == ["w"]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_what_waits_is_written_in_order_and_told_only_then(place, count):
    name = place.new_name()
    journal = begun(place, name)
    journal.append(said("before"))
    place.fail()
    told = []
    for number in range(count):
        journal.append(said(str(number)), lambda number=number: told.append(number))
        journal.hear(Settled((SourceWord("w", 0.0, 1.0),), number))
    assert (journal.last, told, journal.safe) == (1, [], False) and journal.trouble
    place.mend()
    journal.settle(10)
    assert told == [*range(count)] and journal.safe and not journal.trouble
    assert texts(found(place, name)) == ["before", *map(str, range(count))]
    assert numbers(found(place, name)) == [*range(1, count + 2)]


def test_no_more_waits_than_there_is_room_for(place, monkeypatch):
    monkeypatch.setattr(journals, "MOST_WAITING", 10)
    journal = begun(place, place.new_name())
    place.fail()
    for number in range(12):
        journal.append(said(str(number)))
    assert isinstance(journal.problem, Unkept)
    place.mend()


@pytest.mark.parametrize(
    "name", ["", "short", "../../../../etc/passwd", "x" * 65, "a b c d e f g h i"]
)
def test_what_is_no_name_of_a_session_leads_nowhere(place, name):
    for ask in (place.store.header, place.store.open):
        with pytest.raises(UnknownSession):
            ask(name)


def test_what_is_gone_is_unknown(place):
    name = place.new_name()
    journal = begun(place, name)
    for number in range(300):
        journal.append(said(str(number)))
    reader = found(place, name)
    place.lose(name)
    for ask in (place.store.header, place.store.open):
        with pytest.raises(UnknownSession):
            ask(name)
    with pytest.raises(UnknownSession):
        reader.take()

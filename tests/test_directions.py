"""Which head set is used for a direction, and what happens where there is none."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import save_checkpoint
from tiny_gguf import save_gguf

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.calibrate import first_use, gather
from alignatt4llm.calibrate.calibration import Corpus
from alignatt4llm.calibrate.parallel import shipped_corpus
from alignatt4llm.calibrate.sets import HeadSets
from alignatt4llm.cli.main import main, parser
from alignatt4llm.cli.serve import _interpreter
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Commit, End
from alignatt4llm.heads import loading
from alignatt4llm.heads.choice import choose, every_pair, layers_of, ready_pairs, recorded
from alignatt4llm.heads.headset import ANY, HeadScore, HeadSet, Layout
from alignatt4llm.heads.kept import keep_set, kept_folder, kept_key, kept_set
from alignatt4llm.heads.loading import load_head_set, shipped_head_sets
from alignatt4llm.heads.pooling import pool
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.serve.directions import Directions
from alignatt4llm.serve.errors import Unsupported
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.registry import Registry
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import LANGUAGES, Pair
from alignatt4llm.text.units import unit_spans
from alignatt4llm.text.words import split_words
from alignatt4llm.translators.base import Loaded
from alignatt4llm.translators.drafter import ForcingDrafter
from alignatt4llm.translators.scripted import ScriptedTranslator
from alignatt4llm.weights.cards import RECOGNIZERS, TRANSLATORS
from alignatt4llm.weights.identity import identity

DE, FR = Pair.parse("en-de"), Pair.parse("en-fr")
LAYOUT = Layout(2, 3)


def made(pair="en-fr", layer=0, model="m"):
    """A head set that is told apart by its layer."""
    return HeadSet(model, pair, ((layer, 0),), layout=LAYOUT)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Nothing is kept, and nothing shipped for the model 'm'."""
    monkeypatch.setenv("ALIGNATT_HEADS", str(tmp_path / "kept"))
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ALIGNATT_THREADS", "1")


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """Ship some head sets."""

    def ship(*sets):
        paths = {
            f"{each.model}:{each.pair}": tmp_path / f"{each.model}.{each.pair}.json"
            for each in sets
        }
        for each in sets:
            each.save(paths[f"{each.model}:{each.pair}"])
        monkeypatch.setattr(loading, "shipped_head_sets", lambda: paths)

    return ship


# the order of choice: what there is, and the layer and kind of what is taken

GIVEN, GIVEN_ANY, GIVEN_OTHER = made(layer=1), made(ANY, 2), made("en-de", 3)
OWN, ADAPTERS, KEPT, POOLED = made(layer=4), made(layer=5), made(layer=6), made(ANY, 7)
BASES, BASES_ANY = made(layer=8, model="base"), made(ANY, 9, "base")
ORDER = [
    # given, adapter's, shipped, kept, what is taken
    (GIVEN, ADAPTERS, (OWN, POOLED), KEPT, (1, "given")),
    (GIVEN_ANY, ADAPTERS, (OWN, POOLED), KEPT, (2, "given")),
    (GIVEN_OTHER, None, (OWN, POOLED), KEPT, (4, "own")),
    (None, ADAPTERS, (OWN, POOLED), KEPT, (5, "own")),
    (None, None, (OWN, POOLED), KEPT, (4, "own")),
    (None, None, (OWN, BASES), KEPT, (4, "own")),
    (None, None, (BASES, POOLED), KEPT, (8, "own")),
    (None, None, (POOLED,), KEPT, (6, "kept")),
    (None, None, (made("en-de"), POOLED), KEPT, (6, "kept")),
    (None, None, (made("en-de"), POOLED), None, (7, "pooled")),
    (None, None, (BASES_ANY,), None, (9, "pooled")),
    (None, None, (BASES_ANY, POOLED), None, (7, "pooled")),
    (GIVEN_OTHER, None, (), None, None),
    (None, None, (made("en-de"), made("fr-en")), None, None),
]


@pytest.mark.parametrize(("given_set", "own", "shipped", "kept", "taken"), ORDER)
def test_the_order_of_choice(ship, given_set, own, shipped, kept, taken):
    ship(*shipped)
    if kept:
        keep_set(kept, "this model")
    found = choose("m", FR, base="base", given=given_set, own=own, key=lambda: "this model")
    assert (found and (found.heads.heads[0][0], found.kind)) == taken
    if found:
        assert str(found).startswith("Head set for en-fr: ")


def test_a_direction_has_two_languages():
    with pytest.raises(UsageError, match="German is what is spoken"):
        choose("m", Pair(DE.target, DE.target))


def test_a_set_is_kept_for_the_weights_it_was_calibrated_on(ship):
    ship()
    path = keep_set(made(), "weights of today")
    assert load_head_set(path).heads == made().heads
    assert kept_set("m", "en-fr", "weights of today") == load_head_set(path)
    assert kept_set("m", "en-fr") is not None, "before loading, only the name is known"
    for other in (
        ("m", "en-fr", "other weights"),
        ("m", "fr-en"),
        ("m2", "en-fr"),
        ("m-x", "en-fr"),
    ):
        assert kept_set(*other) is None
    path.write_text("half a fi")
    assert kept_set("m", "en-fr") is None, "what cannot be read is calibrated anew"


@pytest.mark.parametrize("name", ["m+taught", "a b", "q:4", "../up", "模型", "m_en-de"])
def test_models_of_any_name_are_kept_apart(name):
    keep_set(made(model=name), "k")
    assert [path.parent for path in kept_folder().iterdir()] == [kept_folder()]
    assert kept_set(name, "en-fr", "k").model == name
    assert kept_set("m", "en-fr") is None


def test_where_nothing_can_be_kept_it_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALIGNATT_HEADS", str(tmp_path / "file" / "below"))
    with pytest.raises(AlignattError, match="Set ALIGNATT_HEADS to a folder"):
        keep_set(made(), "k")


def test_directions_that_are_ready(ship):
    ship(made("en-de"), made("de-en", model="other"))
    keep_set(made("fr-it"), "k")
    assert ready_pairs("m") == ("en-de", "fr-it")
    ship(made("en-de"), POOLED)
    assert ready_pairs("m")[:2] == ("en-de", "fr-it")
    assert len(ready_pairs("m")) == len(every_pair()) == len(LANGUAGES) * (len(LANGUAGES) - 1)


def test_engines_are_started_for_the_layers_of_every_set(ship):
    ship(made("en-de", 1), made(ANY, 2), made("en-it", 3, "other"))
    keep_set(made("fr-it", 4), "k")
    assert layers_of("m", made("it-fr", 5)) == [1, 2, 4, 5]
    ship()
    assert layers_of("nobody") is None


def test_it_is_told_how_good_a_set_is():
    figures = {"truncation_auc": {"value": 0.912}, "source_word_accuracy": {"value": 0.634}}
    own = replace(made(), origin={"held_out": figures})
    any_pair = recorded(made(ANY), FR, {**figures, "all_heads": {"value": 0.1}})
    for heads in (own, any_pair):
        found = choose("m", FR, given=heads)
        assert "truncation AUC 0.91, source-word accuracy 0.63 on held-out" in str(found)
        assert found.quality == {"truncation_auc": 0.912, "source_word_accuracy": 0.634}
    for heads in (made(), replace(own, pair=ANY), recorded(made(ANY), DE, figures)):
        assert "how good it is here is not known" in str(choose("m", FR, given=heads))


@pytest.mark.parametrize(
    "origin",
    [None, [], {"held_out": None}, {"held_out": []}, {"held_out": {"truncation_auc": 0.9}},
     {"held_out": {"truncation_auc": {"value": "good"}}}, {"directions": {"en-fr": 1}}],
)  # fmt: skip
def test_a_file_that_says_it_oddly_is_used_all_the_same(origin):
    found = choose("m", FR, given=replace(made(), origin=origin))
    assert "how good it is here is not known" in str(found)


# one set for every direction


def weighted(pair, **weights):
    heads = {"a": (0, 0), "b": (0, 1), "c": (1, 2)}
    names = tuple(heads[name] for name in weights)
    return HeadSet("m", pair, names, "own", tuple(weights.values()), LAYOUT)


def test_pooled_weights_by_hand():
    pooled = pool([weighted("en-de", a=1.0, b=-0.5), weighted("en-fr", a=0.5, c=0.4)])
    assert pooled.heads == ((0, 0), (0, 1), (1, 2))
    assert pooled.weights == (0.75, -0.25, 0.2)
    assert (pooled.pair, pooled.row, pooled.layout) == (ANY, "own", LAYOUT)
    assert pooled.origin == {"kind": "pooled", "of": ["en-de", "en-fr"]}


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), st.integers(2, 5))
def test_a_pooled_row_is_the_normalised_geometric_mean(weights, columns):
    first = weighted("en-de", a=weights[0], b=weights[1])
    second = weighted("en-fr", b=1.0, c=weights[2])
    pooled = pool([first, second])
    rows = np.random.default_rng(columns).random((4, 3, columns), np.float32)
    place = {(0, 0): 0, (0, 1): 1, (1, 2): 2}
    one, other, both = (
        each.combine(rows[:, [place[head] for head in each.heads]])
        for each in (first, second, pooled)
    )
    mean = np.sqrt(one * other)
    np.testing.assert_allclose(both, mean / mean.sum(-1, keepdims=True), atol=2e-3)


def test_rankings_are_pooled_where_there_are_no_weights():
    def ranked(pair, *scores):
        ranking = tuple(HeadScore(0, head, ts) for head, ts in enumerate(scores))
        return HeadSet("m", pair, ((0, 0),), "own", ranking=ranking)

    pooled = pool([ranked("en-de", 0.9, 0.5, 0.1), ranked("en-fr", 0.1, 0.7, 0.0)])
    assert pooled.heads == ((0, 1), (0, 0), (0, 2)) and pooled.weights == ()
    both = pool([made("en-de", 1), made("en-de", 1), made("en-fr", 0)])
    assert both.heads == ((1, 0), (0, 0)), "by place, without a ranking"


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        ([], "nothing to pool"),
        ([made(), made(model="n")], "the same model; these have m and n"),
        ([made(), replace(made(), row="own")], "the same row; these have own and predicting"),
        ([made(), replace(made(), weights=(1.0,))], "the same combination"),
    ],
)
def test_what_cannot_be_pooled(sets, told):
    with pytest.raises(UsageError, match=told):
        pool(sets)


def test_every_model_with_head_sets_has_one_for_every_direction():
    models = {name.rpartition(":")[0] for name in shipped_head_sets()}
    assert len(models) >= 5
    for model in models:
        found = choose(model, Pair.parse("th-fa"))
        assert found.kind == "pooled" and found.heads.pair == ANY


# the text that comes with the package


def test_the_text_is_in_every_language_and_its_links_fit():
    english = shipped_corpus(Pair.parse("en-de")).sources
    for code in LANGUAGES:
        if code != "en":
            corpus = shipped_corpus(Pair.parse(f"en-{code}"))
            assert corpus.sources == english and len(set(corpus.targets)) > 0.9 * len(english)
            linked = [len(one.links) for one in corpus.sentences]
            assert np.mean(linked) > 5, code
            assert corpus.calibration < len(linked)


@given(st.permutations(sorted(LANGUAGES)).map(lambda codes: codes[:2]))
@settings(max_examples=15)
def test_links_lie_inside_their_sentences(codes):
    pair = Pair.parse("-".join(codes))
    sentences = shipped_corpus(pair).sentences
    for one in sentences[:40]:
        words, units = split_words(one.source, pair.source), unit_spans(one.target, pair.target)
        assert all(0 <= i < len(words) and 0 <= j < len(units) for i, j in one.links)
    assert np.mean([len(one.links) for one in sentences]) > 3


def test_links_through_english_by_hand():
    """'today' stands first in English and second in both others."""
    from alignatt4llm.calibrate.parallel import _through

    english_german = frozenset({(0, 1), (1, 0), (2, 2)})
    english_french = frozenset({(0, 1), (0, 2), (1, 0)})
    assert _through(english_german, english_french) == {(1, 1), (1, 2), (0, 0)}


# first use


class Passes:
    """Counts the translations that a model was made to say."""

    def __init__(self, monkeypatch, stop_after=None):
        self.count = 0
        read = ForcingDrafter.force

        def force(drafter, prompt):
            self.count += 1
            if self.count == stop_after:
                raise KeyboardInterrupt
            return read(drafter, prompt)

        monkeypatch.setattr(ForcingDrafter, "force", force)


@pytest.fixture(autouse=True)
def little_text(monkeypatch):
    """Calibrate on a few sentences, short ones."""

    def few(pair):
        whole = shipped_corpus(pair)
        kept = [one for one in whole.sentences if len(one.source) < 90][:14]
        texts = [[one.source for one in kept], [one.target for one in kept]]
        return Corpus("some", *texts, kept, 10, whole.aligner)

    monkeypatch.setattr(first_use, "shipped_corpus", few)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny random models of an architecture for which nothing is shipped, by engine."""
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(folder / "small", "llama", max_position_embeddings=4096)
    save_gguf(folder / "small.gguf", "llama", max_position_embeddings=4096)
    return {"transformers": folder / "small", "llama.cpp": folder / "small.gguf"}


@pytest.fixture(params=["transformers", "llama.cpp"])
def system(models, request):
    return System(str(models[request.param]), engine=request.param)


def translated(interpreter, pair):
    words = TimedTextRecognizer(spread("We saw it. The train leaves.", 0, 2, pair.source))
    session = interpreter.open(pair, recognizer=words)
    events = [*session.feed(np.zeros(3 * SAMPLE_RATE, np.float32)), *session.finish()]
    assert isinstance(events[-1], End)
    return "".join(event.text for event in events if isinstance(event, Commit))


def test_first_use_calibrates_and_the_second_does_not(system, monkeypatch):
    passes, told = Passes(monkeypatch), []
    interpreter = Interpreter(system, told.append)
    assert interpreter.pairs == () and passes.count == 0
    first = translated(interpreter, FR)
    assert passes.count > 3 * 10 and interpreter.pairs == ("en-fr",)
    said = "\n".join(told)
    assert "There is no head set yet for en-fr with small. It is calibrated now, once" in said
    assert "14 sentences" in said and "--no-calibration refuses it" in said
    assert "Head set for en-fr: calibrated on this computer; truncation AUC 0." in said
    [kept] = kept_folder().iterdir()
    assert load_head_set(kept).origin["data"] == "some"

    passes.count, told[:] = 0, []
    again = Interpreter(system, told.append)
    assert translated(again, FR) == first
    assert passes.count == 0 and not any("calibrated now" in line for line in told)
    assert again.heads(FR) == interpreter.heads(FR) or again.heads(FR) == load_head_set(kept)

    translated(again, Pair.parse("de-th"))
    assert passes.count > 0, "another direction has no set yet"


def test_an_interrupted_first_use_leaves_nothing_and_goes_on(models, monkeypatch):
    system, told = System(str(models["transformers"]), engine="transformers"), []
    with monkeypatch.context() as patch:
        stopped = Passes(patch, stop_after=20)
        with pytest.raises(KeyboardInterrupt):
            Interpreter(system, told.append, pairs=[DE])
    assert told[-1] == "Calibration was interrupted; the same command goes on where it stopped."
    assert not kept_folder().exists() and stopped.count == 20
    with monkeypatch.context() as patch:
        resumed = Passes(patch)
        Interpreter(system, pairs=[DE])
    next(kept_folder().iterdir()).unlink()
    with monkeypatch.context() as patch:
        fresh = Passes(patch)
        Interpreter(system, pairs=[DE])
    estimated = 2
    assert resumed.count == fresh.count - (20 - 1 - estimated), "what was read is not read again"
    assert not list((gather.cache_root() / "heads").iterdir()), "finished work is removed"


def exchanged(folder):
    """Put other weights of the same name, shape and size into a folder."""
    [file] = folder.glob("*.safetensors")
    data = file.read_bytes()
    file.write_bytes(data[:-4000] + data[-2000:] + data[-4000:-2000])


def reshaped(folder):
    """Put other weights of the same name into a folder."""
    save_checkpoint(folder, "llama", max_position_embeddings=4096, num_hidden_layers=3)


def unchanged(folder):
    """Leave them."""


@pytest.mark.parametrize("exchange", [exchanged, reshaped, unchanged])
def test_an_interrupted_first_use_goes_on_with_the_same_weights(tmp_path, monkeypatch, exchange):
    folder = save_checkpoint(tmp_path / "same", "llama", max_position_embeddings=4096)
    system = System(str(folder), engine="transformers")
    with monkeypatch.context() as patch:
        Passes(patch, stop_after=20)
        with pytest.raises(KeyboardInterrupt):
            Interpreter(system, pairs=[DE])
    exchange(folder)
    with monkeypatch.context() as patch:
        after = Passes(patch)
        Interpreter(system, pairs=[DE])
    next(kept_folder().iterdir()).unlink()
    with monkeypatch.context() as patch:
        fresh = Passes(patch)
        Interpreter(system, pairs=[DE])
    assert (after.count < fresh.count) == (exchange is unchanged)


def test_what_cannot_be_kept_is_used_all_the_same(models, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALIGNATT_HEADS", str(tmp_path / "file" / "below"))
    told = []
    system = System(str(models["transformers"]), engine="transformers")
    interpreter = Interpreter(system, told.append, pairs=[DE])
    assert any("is used, but not kept: " in line for line in told)
    assert interpreter.pairs == ("en-de",) and interpreter.heads(DE).heads


WAITING = "Another process is calibrating this; waiting for it (Ctrl-C stops)."


def test_of_two_at_once_one_calibrates(models, monkeypatch):
    """The second waits, and takes what the first has kept."""
    system = System(str(models["transformers"]), engine="transformers")
    Interpreter(system, pairs=[DE])
    [file] = kept_folder().iterdir()
    content, key = file.read_bytes(), load_head_set(file).origin["key"]
    file.unlink()
    passes, done, told, waits = Passes(monkeypatch), [], [], Event()

    def tell(said):
        told.append(said)
        if said == WAITING:
            waits.set()

    second = Thread(target=lambda: done.append(Interpreter(system, tell, pairs=[DE])))
    with first_use._alone(key, told.append):
        assert not told, "nobody is waited for"
        second.start()
        assert waits.wait(60) and not done
        file.write_bytes(content)
    second.join()
    assert done[0].heads(DE) == load_head_set(file) and passes.count == 0
    assert told.count(WAITING) == 1


def test_a_model_that_is_served_elsewhere_is_known_by_its_name(models):
    keep_set(made(model="small"), "weights there")
    loaded = Loaded("small", "http://there:8000", ScriptedTranslator())
    sets = HeadSets(loaded, ScriptedTranslator().prompt_form, None, True, lambda _: None)
    assert sets.choose(FR).kind == "kept by name"
    with pytest.raises(UsageError, match="cannot read all heads of a given translation"):
        sets.choose(DE)


def sets_of(folder, files, shots=0):
    """The head sets of a model with such files in its folder, and of a prompt."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    loaded = Loaded(folder.name, str(folder), ScriptedTranslator())
    return HeadSets(loaded, partial(FewShotPrompt, shots=shots), None, True, lambda _: None)


TODAY = {"model.safetensors": b"weights of today"}


@pytest.mark.parametrize(
    ("files", "shots", "ready"),
    [
        (TODAY, 0, ("en-fr",)),
        (TODAY | {"notes.txt": b"no weights"}, 0, ("en-fr",)),
        ({"model.safetensors": b"weights of todaz"}, 0, ()),
        ({"model.safetensors": b"others"}, 0, ()),
        (TODAY | {"model-2.safetensors": b"more of them"}, 0, ()),
        (TODAY, 4, ()),
    ],
)
def test_a_stale_set_makes_no_direction_ready(ship, tmp_path, files, shots, ready):
    ship()
    today = sets_of(tmp_path / "m", TODAY)
    keep_set(made(), today._key(FR))
    keep_set(made("de-fr"), today._key(FR))
    keep_set(made(ANY), today._key(FR))
    assert today.pairs == ("en-fr",) and today.choose(FR).kind == "kept"
    later = sets_of(tmp_path / "m", files, shots)
    assert later.pairs == ready
    for pair in map(Pair.parse, later.pairs):
        assert later.choose(pair).kind == "kept", "what is said to be ready is"


def test_a_server_never_calibrates_whoever_prepared_its_interpreter(models, tmp_path, monkeypatch):
    passes = Passes(monkeypatch)
    interpreter = Interpreter(System(str(models["transformers"]), engine="transformers"))
    registry = Registry(interpreter, Limits(), tmp_path / "journals", Metrics())
    with pytest.raises(Unsupported, match="en-fr cannot be translated here"):
        registry.directions.require(FR)
    with pytest.raises(UsageError, match="by a server, before it serves"):
        interpreter.open(FR)
    assert passes.count == 0 and not kept_folder().exists()


def test_calibration_is_refused(system):
    refusing = replace(system, calibration=False)
    with pytest.raises(UsageError, match="Leave --no-calibration out"):
        refusing.chosen(FR)
    with pytest.raises(UsageError, match="Leave --no-calibration out"):
        Interpreter(refusing).open(FR)
    assert not kept_folder().exists()


@pytest.mark.parametrize(
    ("weights", "kind"),
    [("the same", "kept"), ("others", None), ("", None)],
)
def test_what_is_kept_is_told_apart_before_loading(system, weights, kind):
    """A folder and a file are known by their weights; a set without a key is nobody's."""
    keep_set(made(model="small"), kept_key(weights.replace("the same", identity(system.model)), ""))
    found = system.chosen(FR)
    assert (found and found.kind) == kind and system.is_ready == bool(kind)
    refusing = replace(system, calibration=False)
    if kind:
        assert refusing.chosen(FR) == found
    else:
        with pytest.raises(UsageError, match="Leave --no-calibration out"):
            refusing.chosen(FR)


def test_of_a_hub_only_the_name_is_known_before_loading(ship):
    ship()
    keep_set(made(), kept_key("some weights", ""))
    assert "for some weights of this name" in str(System("no/m").chosen(FR))


def test_new_weights_and_new_prompts_are_calibrated_anew(tmp_path, monkeypatch):
    folder = save_checkpoint(tmp_path / "same", "llama", max_position_embeddings=4096)
    system = System(str(folder), engine="transformers")
    passes = Passes(monkeypatch)
    for changed, layers in ((system, 4), (replace(system, prompt="milmmt"), 4), (system, 3)):
        save_checkpoint(folder, "llama", max_position_embeddings=4096, num_hidden_layers=layers)
        passes.count = 0
        Interpreter(changed, pairs=[DE])
        assert passes.count
        passes.count = 0
        Interpreter(changed, pairs=[DE])
        assert not passes.count
    assert len(list(kept_folder().iterdir())) == 3


def test_weights_are_told_apart(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"\0" * 5_000_000)
    (tmp_path / "b.gguf").write_bytes(b"\0" * 4_999_999 + b"1")
    (tmp_path / "f").mkdir()
    places = [tmp_path / "a.gguf", tmp_path / "b.gguf", "http://here:1", "http://here:2"]
    assert len({identity(place) for place in places}) == 4
    assert identity(places[0]) == identity(str(places[0]))
    (tmp_path / "f" / "model.safetensors").write_bytes(b"1")
    before = identity(tmp_path / "f")
    (tmp_path / "f" / "notes.txt").write_text("no weights")
    assert identity(tmp_path / "f") == before
    (tmp_path / "f" / "model.safetensors").write_bytes(b"2")
    assert identity(tmp_path / "f") != before


def test_an_engine_that_cannot_calibrate_has_another_do_it_first(monkeypatch, models):
    """vLLM must know the layers before it starts."""
    started = []

    def load(name, asked):
        started.append((name, layers_of("small")))
        return loaded(name, asked)

    from alignatt4llm import interpreter as module

    loaded = module.load_translator
    monkeypatch.setattr(
        module,
        "load_translator",
        lambda name, asked: load(name.replace("vllm", "transformers"), asked),
    )
    system = System(str(models["transformers"]), engine="vllm")
    Interpreter(system, pairs=[DE])
    assert [layers is not None for _, layers in started] == [False, True]
    started.clear()
    Interpreter(replace(system, prompt="milmmt"), pairs=[DE])
    assert len(list(kept_folder().iterdir())) == 2, "the set of another prompt does not do"
    assert len(started) == 2, "the calibrating engine decides where something is kept"


# the command


def heads_given(tmp_path, heads):
    heads.save(tmp_path / "given.json")
    return str(tmp_path / "given.json")


SAMPLE = str(Path(__file__).parent.parent / "samples" / "fleurs-en-000.ogg")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--to", "en"], "English is what is spoken"),
        (["--from", "de", "--to", "German"], "German is what is spoken"),
        (["--to", "klingonese"], "Unknown language 'klingonese'"),
        (["--to", "Germna"], "did you mean German?"),
        (["--from", "yue", "--to", "en"], "The recogniser 'embedded' does not know Cantonese"),
        (["--from", "de", "--to", "en", "--recognizer", "small.en"], "does not know German"),
        (["--from", "he", "--to", "en", "--recognizer", "qwen3-asr"], "does not know Hebrew"),
        (
            ["--from", "sv", "--to", "en", "--recognizer", "voxtral-realtime"],
            "does not know Swedish",
        ),
        (["--to", "da", "--model", "tower-7b"], "TowerInstruct-7B-v0.2 does not know Danish"),
        (["--from", "fi", "--to", "en", "--model", "hy-mt-1.8b"], "does not know Finnish"),
        (
            ["--to", "fr", "--model", "no/such", "--no-calibration"],
            "There is no head set for en-fr",
        ),
    ],
)
def test_bad_directions_get_a_sentence_before_anything_is_downloaded(capsys, options, told):
    assert main(["translate", SAMPLE, *options]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("alignatt: error: ") and told in error


def test_a_head_set_of_another_model_is_refused(models, tmp_path, capsys):
    other = HeadSet("other", "en-de", ((30, 1),), layout=Layout(34, 8))
    command = ["translate", SAMPLE, "--to", "de", "--model", str(models["transformers"])]
    command += ["--engine", "transformers", "--fast", "--recognizer", "scripted"]
    assert main([*command, "--heads", heads_given(tmp_path, other)]) == 1
    error = capsys.readouterr().err
    assert "The head set for other is for 34 layers of 8 heads; this model has 4 layers" in error


def test_a_given_head_set_is_named(models, tmp_path, capsys):
    mine = HeadSet("small", "en-de", ((1, 1),), layout=Layout(4, 4))
    command = ["translate", SAMPLE, "--to", "fr", "--model", str(models["transformers"])]
    command += ["--engine", "transformers", "--fast", "--recognizer", "scripted"]
    assert main([*command, "--heads", heads_given(tmp_path, mine)]) == 0
    said = capsys.readouterr().err
    assert "Head set for en-fr: the one given (made for small en-de); how good" in said


def served(system, *options):
    """What ``alignatt serve`` opens its sessions on."""
    command = ["serve", "--model", system.model, "--engine", system.engine]
    return _interpreter(parser().parse_args([*command, "--recognizer", "scripted", *options]))


def test_a_server_calibrates_before_it_serves_and_never_after(system, monkeypatch):
    with pytest.raises(UsageError, match="Say with --from and --to which direction"):
        served(system)
    with pytest.raises(UsageError, match="Leave --no-calibration out"):
        served(system, "--to", "fr", "--no-calibration")
    passes = Passes(monkeypatch)
    interpreter = served(system, "--from", "de", "--to", "fr")
    assert passes.count > 0 and interpreter.pairs == ("de-fr",)
    passes.count = 0
    assert served(system).pairs == ("de-fr",), "it is kept"
    assert passes.count == 0


def test_a_server_refuses_speech_that_it_cannot_hear():
    pairs = ("de-en", "yue-en")
    interpreter = SimpleNamespace(pairs=pairs, system=System(recognizer="embedded"))
    directions = Directions(interpreter)
    directions.require_heard(Pair.parse("de-en"))
    with pytest.raises(Unsupported, match="does not know Cantonese"):
        directions.require_heard(Pair.parse("yue-en"))
    with pytest.raises(Unsupported, match="directions: de-en, yue-en"):
        directions.require(Pair.parse("en-de"))
    interpreter.pairs = every_pair()
    assert str(directions) == "992, listed at /about"


def test_a_head_set_of_another_model_is_refused_by_a_server(system, tmp_path):
    other = HeadSet("other", "en-de", ((1, 1),), layout=Layout(34, 8))
    with pytest.raises(AlignattError, match="is for 34 layers of 8 heads; this model has 4"):
        served(system, "--heads", heads_given(tmp_path, other))


def listed(capsys, *options):
    assert main(["languages", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_languages_lists_what_can_be_said(capsys):
    rows = listed(capsys, "--from", "en", "--model", "embedded")
    assert {row["to"] for row in rows} == {*LANGUAGES} - {"en"}
    by_target = {row["to"]: row for row in rows}
    assert by_target["de"]["heads"] == "own" and by_target["de"]["truncation_auc"] > 0.9
    assert by_target["fi"]["heads"] == "pooled" and by_target["fi"]["truncation_auc"] is None
    both = listed(capsys, "--from", "de", "--to", "english")
    assert [row["model"] for row in both] == ["embedded-large", "embedded"]


def test_languages_says_what_is_kept_and_what_is_missing(capsys, models):
    name = str(models["transformers"])
    good = recorded(made(model="small"), FR, {"truncation_auc": {"value": 0.8}})
    keep_set(good, kept_key(identity(name), "any"))
    keep_set(replace(good, pair="en-de"), kept_key("other weights", "any"))
    rows = {row["to"]: row for row in listed(capsys, "--from", "en", "--model", name)}
    assert (rows["fr"]["heads"], rows["fr"]["truncation_auc"]) == ("kept", 0.8)
    assert rows["de"] == {
        "from": "en", "to": "de", "model": name, "heads": "none",
        "truncation_auc": None, "source_word_accuracy": None,
    }  # fmt: skip


def test_languages_says_where_only_the_name_is_known(capsys):
    keep_set(made(model="name"), kept_key("some weights", "any"))
    options = ["--from", "en", "--to", "fr", "--model", "no/name"]
    assert listed(capsys, *options)[0]["heads"] == "kept by name"
    assert main(["languages", *options]) == 0
    assert "kept (for some weights of this name)" in capsys.readouterr().out


def test_languages_leaves_out_what_is_not_known(capsys):
    rows = listed(capsys, "--model", "tower-7b", "--recognizer", "voxtral-realtime")
    known = {"de", "en", "es", "fr", "it", "ko", "nl", "pt", "ru", "zh"}
    assert {row["from"] for row in rows} == {row["to"] for row in rows} == known
    assert not [row for row in listed(capsys) if row["from"] == "yue"]


def test_languages_prints_a_table(capsys):
    assert main(["languages", "--to", "it", "--from", "en"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["from", "into", "model", "head", "set", "AUC", "accuracy"]
    assert lines[-1].split() == [
        "en",
        "English",
        "it",
        "Italian",
        "embedded",
        "own",
        "0.94",
        "0.65",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--from", "xx"], "Unknown language 'xx'"),
        (["--from", "de", "--to", "de"], "German is what is spoken"),
        (["--from", "yue"], "does not know Cantonese"),
        (["--model", "missing.gguf"], "There is no file 'missing.gguf'"),
    ],
)
def test_languages_refuses(capsys, options, told):
    assert main(["languages", *options]) == 2
    assert told in capsys.readouterr().err


def test_the_languages_of_cards_are_in_the_table():
    for card in (*TRANSLATORS.values(), *RECOGNIZERS.values()):
        assert {*card.languages.split()} <= {*LANGUAGES}
    from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

    assert {*RECOGNIZERS["qwen3-asr"].languages.split()} == {*LANGUAGE_CODE_TO_NAME} & {*LANGUAGES}

"""Context reaches the prompt within its budget, stands outside the source, and costs little."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papers import pdf

from alignatt4llm.cli.main import main, parser
from alignatt4llm.cli.serve import _interpreter
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close
from alignatt4llm.prompts.context import Context, Shown
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.prompts.glossary import Term, Usage, check, read_glossary, report
from alignatt4llm.prompts.passages import PASSAGE, Passages, read_document
from alignatt4llm.prompts.prompt import source_columns
from alignatt4llm.recognizers.tones import tones
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.scripted import ScriptedDrafter

PAIR = Pair.parse("en-de")
HEAD, KERNEL = Term("attention head", "Aufmerksamkeitskopf"), Term("kernel", "Kern")


def prompt(context, words, shown=None):
    block = (shown or Shown(context)).block(words)
    return FewShotPrompt(PAIR)(words, context=block)


def test_the_context_stands_before_the_source_and_not_in_it():
    context = Context(title="Seeing heads", notes="A talk.", glossary=(HEAD,))
    words = ["One", "attention", "head"]
    shown = prompt(context, words)
    assert "attention head = Aufmerksamkeitskopf" in shown.prefix
    assert shown.words == tuple(words)
    assert [shown.text[start:end] for start, end in shown.word_spans] == words
    offsets = [(i, i + 1) for i in range(len(shown.text))]
    positions, _ = source_columns(shown, offsets)
    assert "".join(shown.text[i] for i in positions) == "One attention head"


def test_what_is_said_now_comes_first_when_not_everything_fits():
    glossary = (Term("mouse", "Maus"), HEAD, KERNEL)
    context = Context(title="A long title of a talk", glossary=glossary, budget=40)
    assert context.block("one attention heads") == f"{HEAD}"
    assert context.block("a kernel,") == f"Title: A long title of a\n{KERNEL}"


lines = st.text(alphabet="ab \n<|>=語", max_size=40)


@given(lines, lines, lines, st.lists(lines, max_size=3), st.integers(1, 200), lines)
def test_the_budget_holds_and_no_control_token_comes_through(
    title, abstract, notes, texts, budget, heard
):
    glossary = (Term("a", "b"), Term("語", "ab"))
    context = Context(title, abstract, notes, glossary, Passages(texts), budget=budget)
    block = context.block(heard)
    assert len(block) <= budget
    assert "<|a|>" not in block


def test_control_tokens_of_a_document_are_left_out(tmp_path):
    document = tmp_path / "notes.txt"
    document.write_text("kernel <end_of_turn> <|im_end|> trick", "utf-8")
    context = Context(passages=Passages([read_document(document)]))
    assert context.block("kernel") == "kernel trick"


def test_the_beginning_of_the_prompt_stays_within_an_utterance():
    context = Context(title="T", glossary=(HEAD, KERNEL), budget=48)
    stream = Shown(context)
    first = prompt(context, ["We", "see"], stream).prefix
    assert prompt(context, ["We", "see", "that"], stream).prefix == first
    meanwhile = prompt(context, ["We", "see", "that", "kernels"], stream).prefix
    assert f"{KERNEL}" in meanwhile
    assert prompt(context, ["We", "see", "that", "kernels", "do"], stream).prefix == meanwhile


def test_passages_follow_the_talk():
    filler = ["word"] * PASSAGE
    texts = [" ".join([*filler, "mitochondria", *filler, "supernova"])]
    context = Context(passages=Passages(texts), shown=1)
    stream = Shown(context)
    assert "mitochondria" in prompt(context, ["The", "mitochondria"], stream).prefix
    stream.close(["The", "mitochondria"])
    assert "mitochondria" in prompt(context, ["They", "are"], stream).prefix
    stream.close(["They", "are"])
    for start in "ABCD":
        words = [start, *["the"] * 20, "supernova"]
        last = prompt(context, words, stream)
        stream.close(words)
    assert "supernova" in last.prefix and "mitochondria" not in last.prefix


def test_a_search_finds_what_shares_terms_only():
    passages = Passages(["Der Kern des Systems", "翻译很好", ""])
    assert passages.about("kern", 3) == ["Der Kern des Systems"]
    assert passages.about("翻", 3) == ["翻译很好"]
    assert passages.about("unrelated", 3) == []
    assert Passages([]).about("kern", 3) == []


def test_a_long_pdf_is_searched_once_an_utterance(tmp_path, monkeypatch):
    pages = [f"On page {n} we speak of topic{n} at length." for n in range(200)]
    passages = Passages([read_document(pdf(tmp_path / "paper.pdf", pages))])
    searches = []
    about = passages.about
    monkeypatch.setattr(passages, "about", lambda *asked: searches.append(asked) or about(*asked))
    shown = Shown(Context(passages=passages))
    words = ["Now", "topic173", "and", "what", "follows", "from", "it"]
    for heard in range(1, len(words) + 1):
        shown.block(words[:heard])
    assert len(searches) == 1
    shown.close(words)
    block = shown.block(["Next", "one"])
    assert len(searches) == 2
    assert "topic173" in block
    assert len(block) < 3000


def test_a_guess_that_changes_begins_no_utterance():
    passages = Passages(["kernel trick " * 30, "attention heads " * 30])
    shown = Shown(Context(passages=passages, shown=1))
    first = shown.block(["A", "kernel"])
    assert shown.block(["Attention", "heads"]) == first


def test_an_utterance_that_begins_like_the_last_is_a_new_one():
    passages = Passages(["kernel trick " * 30, "attention heads " * 30])
    shown = Shown(Context(passages=passages, shown=1))
    assert "kernel" in shown.block(["So", "kernel", "trick"])
    shown.close(["So", "kernel", "trick"])
    now = ["So", "attention", "heads", "attention", "heads", "attention"]
    assert "attention" in shown.block(now)


def test_a_word_broken_at_a_line_is_mended(tmp_path):
    document = tmp_path / "a.txt"
    document.write_text("trans-\nlation of well-known words", "utf-8")
    [passage] = Passages([read_document(document)]).texts
    assert passage == "translation of well-known words"


def closed(source, target):
    return Close(0, source, target, 0.0, 1.0, 1.0, len(source.split()))


def test_the_glossary_is_checked_in_what_was_said():
    talk = [
        closed("Attention heads look.", "Aufmerksamkeitsköpfe schauen."),
        closed("An attention head", "Ein"),
        closed("looks.", "Aufmerksamkeitskopf schaut."),
        closed("The kernels run.", "Die Kerne laufen."),
        closed("A kernelized one.", "Einer."),
    ]
    usages = check([HEAD, KERNEL, Term("unheard", "x")], talk)
    assert usages == [Usage(HEAD, 2, 1), Usage(KERNEL, 1, 1)]
    assert report(usages) == (
        "glossary: 2 of 3 terms heard were said as asked; not always: "
        "attention head = Aufmerksamkeitskopf (1 of 2)"
    )
    assert report([]) == ""


def test_terms_of_scripts_without_spaces_need_no_edges():
    assert Term("模型", "model").heard_in("这个模型很好")
    assert not Term("el", "x").heard_in("a model")
    assert Term("Köln", "Cologne").heard_in("in Köln,")
    assert not Term("Köl", "x").heard_in("in Köln,")


SAMPLE = str(Path(__file__).parent.parent / "samples" / "fleurs-en-000.ogg")


def test_bad_context_gets_a_sentence(tmp_path, capsys):
    bad = tmp_path / "glossary.txt"
    bad.write_text("# fine\nkernel\n", "utf-8")
    with pytest.raises(UsageError, match="line 2: write 'term = translation'"):
        read_glossary(bad)
    with pytest.raises(UsageError, match="cannot be read"):
        read_glossary(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="holds no text"):
        read_document(pdf(tmp_path / "empty.pdf", [""]))
    broken = tmp_path / "broken.pdf"
    broken.write_text("not a pdf")
    with pytest.raises(UsageError, match="not a PDF"):
        read_document(broken)
    with pytest.raises(UsageError, match="budget is 0"):
        Context(budget=0)
    asked = ["translate", SAMPLE, "--to", "de", "--document", str(tmp_path / "no.pdf")]
    assert main(asked) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_dry_run_shows_context_outside_the_source(tmp_path, capsys):
    glossary = tmp_path / "glossary.txt"
    glossary.write_text("kernel = Kern", "utf-8")
    asked = ["translate", "--to", "de", "--dry-run", "--title", "T", "--glossary", str(glossary)]
    assert main(asked) == 0
    before, _, source = capsys.readouterr().out.rpartition("⟦")
    assert "Title: T" in before and "kernel = Kern" in before
    assert "kernel" not in source


def test_a_term_that_does_not_fit_makes_nobody_search_again():
    passages = Passages(["kernel trick " * 30, "attention heads " * 30])
    searches = []
    about = passages.about
    passages.about = lambda *asked: searches.append(asked) or about(*asked)
    context = Context(glossary=(HEAD, KERNEL), passages=passages, shown=1, budget=30)
    shown = Shown(context)
    words = ["so", "one", "attention", "head", "is", "a", "kernel", "as", "we", "said", "before"]
    blocks = [shown.block(words[: count + 1]) for count in range(len(words))]
    assert len(searches) == 3  # at the beginning, and once for each of the two terms
    assert blocks[3:6] == blocks[3:4] * 3 and blocks[6:] == blocks[6:7] * 5


@pytest.mark.parametrize(
    ("pair", "is_told"),
    [("en-de", True), ("en-it", False), ("fr-de", False), ("de-en", False), ("en-zh", False)],
)
def test_only_sessions_of_its_direction_are_told_of_a_glossary(
    tmp_path, monkeypatch, pair, is_told
):
    """As ``serve`` opens them, whose clients choose their languages."""
    (tmp_path / "terms.txt").write_text("morning = Morgen\n")
    options = ["--model", "scripted", "--title", "T", "--glossary", str(tmp_path / "terms.txt")]
    args = parser().parse_args(["serve", *options, "--from", "en", "--to", "de"])
    shown, draft = [], ScriptedDrafter.draft
    monkeypatch.setattr(
        ScriptedDrafter,
        "draft",
        lambda self, prompt, *rest: shown.append(prompt.prefix) or draft(self, prompt, *rest),
    )
    with _interpreter(args).open(pair) as session:
        assert list(session.feed(tones(range(8))))
    assert "Title: T" in shown[-1]
    assert ("morning = Morgen" in shown[-1]) is is_told

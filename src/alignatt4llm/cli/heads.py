"""``alignatt heads``: calibrate head sets, measure them, look at them."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignatt4llm.cli.engine import add_engine
from alignatt4llm.cli.files import Draws, Named, Writes
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError, extra
from alignatt4llm.files.reading import read_lines
from alignatt4llm.files.writing import write_whole
from alignatt4llm.heads.choice import recorded
from alignatt4llm.heads.headset import ANY, HeadScore, HeadSet, Layout, direction
from alignatt4llm.heads.loading import head_set_for, load_head_set
from alignatt4llm.heads.pooling import pool
from alignatt4llm.prompts.forms import FORMS
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.models import short_name

if TYPE_CHECKING:
    from alignatt4llm.calibrate.align import Sentence
    from alignatt4llm.calibrate.calibration import Corpus

EXAMPLES = """\
examples:
  alignatt heads calibrate --model embedded --pair en-de --out mine.json
  alignatt heads calibrate --model embedded --pair en-de \\
      --data flores.en flores.de --sentences 500 --out mine.json
  alignatt heads score embedded:en-de --src test.en --tgt test.de --gold test.links
  alignatt heads pool embedded:en-de embedded:en-it --out any.json
  alignatt heads show embedded:en-de
  alignatt heads plot map embedded:en-de --out map.svg
  alignatt heads plot draft embedded:en-de --text "We found that it is faster" --out draft.svg
  alignatt heads audio --recording talk.ogg talk.json --out hears.json
  alignatt heads check mine.json --model embedded
"""

ARTEFACT = "a file, or a shipped name such as embedded:en-de or embedded:any"
PROMPT = "how the model is asked; auto (default): its own form"


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "heads",
        help="calibrate, measure and look at alignment heads",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_calibrate(actions.add_parser("calibrate", help="choose heads on sentence pairs"))
    _add_score(actions.add_parser("score", help="measure a head set on your own alignments"))
    pooled = actions.add_parser("pool", help="make one head set for every direction of several")
    pooled.add_argument("artefacts", type=Named, nargs="+", metavar="ARTEFACT", help=ARTEFACT)
    pooled.add_argument(
        "--out", type=Path, action=Writes, required=True, metavar="FILE", help="the artefact"
    )
    pooled.set_defaults(run=run, action=_pool)
    show = actions.add_parser("show", help="print a head set and every head's scores")
    show.add_argument("artefact", type=Named, metavar="ARTEFACT", help=ARTEFACT)
    show.add_argument("--all", action="store_true", help="every head that was scored")
    show.set_defaults(run=run, action=_show)
    _add_plot(actions.add_parser("plot", help="draw a head set or a draft"))
    check = actions.add_parser("check", help="does a head set fit a model?")
    check.add_argument("artefact", type=Named, metavar="ARTEFACT", help=ARTEFACT)
    check.add_argument("--model", help="the model, if not the one that it was made for")
    check.set_defaults(run=run, action=_check)
    _add_audio(actions.add_parser("audio", help="choose the heads of a model that hears"))


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="embedded", help="embedded, a folder or a hub id")
    add_engine(parser)
    parser.add_argument("--prompt", choices=FORMS, default="auto", help=PROMPT)
    parser.add_argument("--pair", required=True, metavar="PAIR", help="direction, such as en-de")
    parser.add_argument(
        "--data",
        type=Path,
        nargs=2,
        metavar="FILE",
        help="source and target, a sentence a line; by default text that comes with the package",
    )
    parser.add_argument(
        "--alignments",
        type=Path,
        metavar="FILE",
        help="their alignment in Pharaoh format, or sentence pairs with alignments in the "
        "published JSON schema; aligned by eflomal by default",
    )
    parser.add_argument(
        "--sentences",
        type=int,
        metavar="N",
        help="choose on the first N, measure on the others (default: two thirds)",
    )
    parser.add_argument(
        "--held-out", type=int, metavar="N", help="measure on N of the others only; all are aligned"
    )
    parser.add_argument("--row", choices=("predicting", "own"), help="default: what is better")
    parser.add_argument(
        "--out", type=Path, action=Writes, required=True, metavar="FILE", help="the artefact"
    )
    parser.set_defaults(run=run, action=_calibrate)


def _add_audio(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="gemma-audio", help="a name, a folder or a hub id")
    parser.add_argument("--language", default="en", metavar="LANG", help="what is spoken")
    parser.add_argument(
        "--recording", type=Path, nargs=2, action="append", required=True,
        metavar=("AUDIO", "WORDS"), help="speech, and its timed words as JSON; may be repeated",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=8, metavar="N", help="heads wanted")
    parser.add_argument(
        "--out", type=Path, action=Writes, required=True, metavar="FILE", help="the artefact"
    )
    parser.set_defaults(run=run, action=_audio)


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artefact", type=Named, metavar="ARTEFACT", help=ARTEFACT)
    parser.add_argument("--src", type=Path, required=True, metavar="FILE", help="sources")
    parser.add_argument("--tgt", type=Path, required=True, metavar="FILE", help="translations")
    parser.add_argument(
        "--gold",
        type=Path,
        metavar="FILE",
        help="links i-j from source to target, counted from 0: words between white space, or "
        "characters in languages without it (zh, yue, ja, th); aligned by eflomal by default",
    )
    parser.add_argument(
        "--also", type=Named, nargs="+", default=[], metavar="ARTEFACT", help="compared with it"
    )
    parser.add_argument(
        "--last", type=int, default=0, metavar="N", help="measure on the last N; all are aligned"
    )
    parser.add_argument("--pair", metavar="PAIR", help="direction, if not the one it was made for")
    parser.add_argument(
        "--record",
        action="store_true",
        help="write how good it is for the direction into the artefact, a file",
    )
    parser.add_argument("--model", help="the model, if not the one that it was made for")
    add_engine(parser)
    parser.add_argument("--prompt", choices=FORMS, default="auto", help=PROMPT)
    parser.add_argument(
        "--json", type=Path, action=Writes, metavar="FILE", help="write every figure"
    )
    parser.set_defaults(run=run, action=_score)


def _add_plot(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(title="pictures", metavar="PICTURE", required=True)
    texts = {
        "map": "every head's score, layer by layer",
        "ablation": "accuracy by number of heads, against all heads",
        "draft": "where each token of a draft looks, with frontier and first held token",
    }
    for kind, text in texts.items():
        drawn = kinds.add_parser(kind, help=text)
        drawn.add_argument("artefact", type=Named, metavar="ARTEFACT", help=ARTEFACT)
        drawn.add_argument(
            "--out", type=Path, action=Draws, required=True, metavar="FILE", help="SVG or PNG"
        )
        drawn.set_defaults(run=run, action=_plot, kind=kind)
        if kind != "ablation":
            drawn.add_argument("--model", help="the model, if not the one that it was made for")
        if kind == "draft":
            drawn.add_argument("--prompt", choices=FORMS, default="auto", help=PROMPT)
            drawn.add_argument("--text", required=True, help="the words heard so far")
            drawn.add_argument(
                "--latency", choices=LATENCIES, default="medium", help="default: medium"
            )


def run(args: argparse.Namespace) -> int:
    """Calibrate, score, show, plot or check."""
    args.action(args)
    return 0


def _audio(args: argparse.Namespace) -> None:
    import numpy as np

    from alignatt4llm.audio.decode import read
    from alignatt4llm.calibrate.audio import Recording, calibrate_audio
    from alignatt4llm.recognizers.loading import load_gemma_audio
    from alignatt4llm.recognizers.timed import read_timed_text
    from alignatt4llm.text.languages import language

    spoken = language(args.language, tell)
    recordings = [
        Recording(np.concatenate(list(read(str(audio)))), tuple(read_timed_text(words, spoken)))
        for audio, words in args.recording
    ]
    engine, name = load_gemma_audio(args.model)
    heads = calibrate_audio(engine, name, spoken, recordings, args.count)
    heads.save(args.out)
    best = heads.ranking[0]
    print(f"best head ({best.layer}, {best.head}) looks at the word said {best.ts:.0%} of the time")


def _calibrate(args: argparse.Namespace) -> None:
    with extra("heads", "Calibrating"):
        from alignatt4llm.calibrate.calibration import calibrate
    from alignatt4llm.calibrate.model import load

    pair = Pair.parse(args.pair, tell)
    pair.check()
    corpus = _corpus(args, pair)
    model = load(args.model, pair, args.prompt, tell, args.engine)
    heads = calibrate(model, pair, corpus, tell, args.row)
    heads.save(args.out)
    _print_set(heads)


def _corpus(args: argparse.Namespace, pair: Pair) -> "Corpus":
    from alignatt4llm.calibrate.align import Sentence, read_published, read_sentences
    from alignatt4llm.calibrate.calibration import Corpus
    from alignatt4llm.calibrate.parallel import shipped_corpus

    if not args.data and not args.alignments:
        shipped = shipped_corpus(pair)
        count = shipped.calibration if args.sentences is None else args.sentences
        return replace(shipped, calibration=count, held_out=args.held_out)
    sentences: list[Sentence] | None = None
    if args.data and args.alignments:
        sentences = read_sentences(args.data[0], args.data[1], args.alignments, pair)
    elif args.alignments:
        sentences = read_published(args.alignments, pair)
    if sentences is None:
        sources, targets = (tuple(read_lines(path)) for path in args.data)
    else:
        sources = tuple(sentence.source for sentence in sentences)
        targets = tuple(sentence.target for sentence in sentences)
    count = len(sources) * 2 // 3 if args.sentences is None else args.sentences
    files = args.data or [args.alignments]
    name = " ".join(path.name for path in files)
    return Corpus(name, sources, targets, sentences, count, held_out=args.held_out)


def _score(args: argparse.Namespace) -> None:
    from alignatt4llm.calibrate.measure import measure
    from alignatt4llm.calibrate.model import check, load

    heads = find_head_set(args.artefact)
    others = {name: find_head_set(name) for name in args.also}
    pair = _measured_pair(heads, args.pair)
    if args.record and not Path(args.artefact).is_file():
        raise UsageError(f"--record writes into a file; '{args.artefact}' is none.")
    sentences = _gold(args, pair)
    model = load(args.model or heads.model, pair, args.prompt, tell, args.engine)
    for each in (heads, *others.values()):
        check(each, model.layout)
    figures = measure(model, pair, heads, sentences[-args.last :], tell, others)
    _print_figures(figures)
    if args.json:
        write_whole(args.json, json.dumps(figures, indent=1) + "\n")
    if args.record:
        recorded(heads, pair, figures).save(Path(args.artefact))


def _measured_pair(heads: HeadSet, asked: str | None) -> Pair:
    if not asked and heads.pair == ANY:
        raise UsageError("This head set is for every direction; say with --pair which to measure.")
    return Pair.parse(asked or heads.pair, tell)


def _gold(args: argparse.Namespace, pair: Pair) -> "Sequence[Sentence]":
    from alignatt4llm.calibrate.align import align, read_sentences

    if not args.gold:
        return align(read_lines(args.src), read_lines(args.tgt), pair)
    sentences = read_sentences(args.src, args.tgt, args.gold, pair)
    if not any(sentence.links for sentence in sentences):
        raise UsageError(f"'{args.gold}' holds no links; there is nothing to measure.")
    return sentences


def _pool(args: argparse.Namespace) -> None:
    pooled = pool([find_head_set(name) for name in args.artefacts])
    pooled.save(args.out)
    _print_set(pooled)


def _show(args: argparse.Namespace) -> None:
    heads = find_head_set(args.artefact)
    _print_set(heads)
    _print_ranking(heads, None if args.all else 12)


def _check(args: argparse.Namespace) -> None:
    from alignatt4llm.calibrate.model import check, layout_of
    from alignatt4llm.weights.models import resolve_llm

    heads = find_head_set(args.artefact)
    layout = layout_of(resolve_llm(args.model or heads.model, tell))
    check(heads, layout)
    print(f"{len(heads.heads)} heads for {heads.model} {heads.pair}: fits a model of {layout}.")


def _plot(args: argparse.Namespace) -> None:
    heads = find_head_set(args.artefact)
    with extra("heads", "Drawing"):
        from alignatt4llm.calibrate.plots import plot_ablation, plot_map
    if args.kind == "ablation":
        plot_ablation(heads, args.out)
    elif args.kind == "map":
        plot_map(heads, _layout(heads, args.model), args.out)
    else:
        _plot_draft(heads, args)


def _layout(heads: HeadSet, model: str | None) -> Layout:
    if heads.layout and not model:
        return heads.layout
    from alignatt4llm.calibrate.model import check, layout_of
    from alignatt4llm.weights.models import resolve_llm

    layout = layout_of(resolve_llm(model or heads.model, tell))
    check(heads, layout)
    return layout


def _plot_draft(heads: HeadSet, args: argparse.Namespace) -> None:
    from alignatt4llm.calibrate.plots import plot_draft
    from alignatt4llm.interpreter import Interpreter
    from alignatt4llm.policy.alignatt import AlignAtt, words_from_columns
    from alignatt4llm.policy.base import View
    from alignatt4llm.settings.system import System
    from alignatt4llm.text.words import split_words

    pair = Pair.parse(heads.pair)
    words = tuple(split_words(args.text, pair.source))
    if len(words) < 2:
        raise UsageError("--text must hold two words or more.")
    settings = LATENCIES[args.latency]
    frontier = len(words) - settings.session.source.margin
    interpreter = Interpreter(System(args.model or heads.model, engine="transformers"), tell)
    translator = interpreter.translator
    prompt = interpreter.prompt_form(pair, args.prompt)(words, "", ())
    draft = translator.open(pair, heads).draft(prompt, settings.session.budget)
    evidence = AlignAtt(heads, settings.policy).decide(draft, View(words, frontier, ""))
    rows = words_from_columns(heads.combine(draft.rows), draft.words, len(words))
    starts = (0, *draft.ends)
    tokens = [draft.text[a:b] for a, b in zip(starts, draft.ends, strict=False)]
    plot_draft(rows, words, tokens, evidence, frontier, args.out)


def _print_set(heads: HeadSet) -> None:
    kind = heads.origin.get("kind", "unknown")
    print(f"{heads.model} {heads.pair}: {heads.combination} of {len(heads.heads)} heads ({kind})")
    print(f"read at the {heads.row} row")
    weights: Sequence[float | None] = heads.weights or [None] * len(heads.heads)
    for (layer, head), weight in zip(heads.heads, weights, strict=True):
        print(f"  layer {layer:2} head {head:2}" + ("" if weight is None else f"  {weight:+.2f}"))
    _print_figures(heads.origin.get("held_out", {}))


def _print_figures(figures: dict[str, dict[str, Any]]) -> None:
    for name, figure in figures.items():
        low, high = ("–" if x is None else f"{x:.3f}" for x in (figure["low"], figure["high"]))
        print(f"{name:34} {figure['value']:.3f} [{low}, {high}]")


def _print_ranking(heads: HeadSet, count: int | None) -> None:
    """Print the scores of every head, best TS first."""
    names = [field.name for field in fields(HeadScore)]
    print(" ".join(f"{name:>{max(6, len(name))}}" for name in names))
    for score in heads.ranking[:count]:
        cells = zip(names, astuple(score), strict=True)
        print(" ".join(f"{_cell(value):>{max(6, len(name))}}" for name, value in cells))


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def find_head_set(name: str) -> HeadSet:
    """Return an artefact by the path of its file, or by a name such as ``embedded:en-de``.

    Raises
    ------
    AlignattError
        If there is none of that name, or the file is no artefact.
    """
    model, colon, pair = name.rpartition(":")
    if colon and not Path(name).exists():
        return head_set_for(short_name(model), direction(pair))
    return load_head_set(Path(name))

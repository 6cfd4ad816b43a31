"""``alignatt evaluate``: run a policy over recordings, score the run, draw the curve; the tail."""

import argparse
import json
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from alignatt4llm.cli import cluster_options, system
from alignatt4llm.cli.files import Draws, Writes, WritesInto, check_files
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError, extra
from alignatt4llm.evaluate.names import CLOSINGS, OWN, measurable
from alignatt4llm.files.writing import write_whole
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair, language

EXAMPLES = """\
examples:
  alignatt evaluate run --data talks --pair en-de --out runs/alignatt
  alignatt evaluate run --data talks --pair en-de --policy offline --out runs/offline
  alignatt evaluate score runs/alignatt --offline runs/offline --json scores.json
  alignatt evaluate run --data talks --pair en-de en-it --policy alignatt wait-k:5 offline \\
      --latency low medium high --jobs 8 --out runs/all
  alignatt evaluate curve runs/all/* --out curve.svg
  alignatt evaluate run --data talks --pair en-de --out runs/alignatt --cluster auto --actors 4
  alignatt evaluate tail --data recordings --out tail.svg
"""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure quality and latency",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_run(actions.add_parser("run", help="translate recordings and keep what was said when"))
    score = actions.add_parser("score", help="score a run")
    score.add_argument("folder", type=Path, metavar="DIR", help="the --out of a run")
    score.add_argument("--offline", type=Path, metavar="DIR", help="the same model's offline run")
    score.add_argument("--against", type=Path, metavar="DIR", help="a run to be compared with")
    score.add_argument(
        "--comet", metavar="MODEL", help="score by COMET too: a hub id or checkpoint"
    )
    score.add_argument(
        "--json", type=Path, action=Writes, metavar="FILE", help="write every figure"
    )
    score.set_defaults(run=run, action=_score)
    curve = actions.add_parser("curve", help="draw quality over latency and print a table")
    curve.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="the --out of runs")
    curve.add_argument(
        "--out", type=Path, action=Draws, required=True, metavar="FILE", help="SVG, PNG or PDF"
    )
    curve.set_defaults(run=run, action=_curve)
    _add_join(actions.add_parser("join", help="join clips to long recordings"))
    envelope = actions.add_parser("envelope", help="compare a run with all its rivals together")
    envelope.add_argument("folder", type=Path, metavar="DIR", help="the --out of a run")
    envelope.add_argument(
        "--rivals", type=Path, nargs="+", required=True, metavar="DIR", help="runs of others"
    )
    envelope.set_defaults(run=run, action=_envelope)
    _add_tail(actions.add_parser("tail", help="how often a recogniser is wrong at the live edge"))


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the recordings")
    parser.add_argument(
        "--pair", nargs="+", required=True, metavar="PAIR", help="directions, such as en-de"
    )
    parser.add_argument(
        "--policy",
        nargs="+",
        default=["alignatt"],
        metavar="POLICY",
        help=", ".join(measurable()),
    )
    parser.add_argument(
        "--latency",
        nargs="+",
        choices=LATENCIES,
        default=["medium"],
        help="default: medium; several are all measured",
    )
    parser.add_argument(
        "--closings", nargs="+", choices=CLOSINGS, default=[OWN],
        help="where utterances close: as is usual for a policy, or where the heads say so too",
    )  # fmt: skip
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="change what --latency sets; NAME=V1,V2 measures both",
    )
    system.add_models(parser)
    parser.add_argument(
        "--perfect", action="store_true", help="timed text is heard at once and never wrong"
    )
    parser.add_argument(
        "--skip", type=int, default=0, metavar="N", help="leave out the first N recordings"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only N recordings")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="recordings at the same time; CA latency then includes what they cost one another",
    )
    parser.add_argument(
        "--out", type=Path, action=WritesInto, required=True, metavar="DIR",
        help="a new folder, or one to resume",
    )  # fmt: skip
    cluster_options.add_options(parser)
    parser.set_defaults(run=run, action=_run)


def _add_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR",
        help="clips of one language with references.json",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, action=WritesInto, required=True, metavar="DIR", help="a new folder"
    )
    parser.add_argument(
        "--minutes", type=float, default=3.0, metavar="N",
        help="a recording ends with the clip that makes it so long; default: 3",
    )  # fmt: skip
    parser.add_argument(
        "--pause", type=float, nargs=2, default=(0.5, 1.5), metavar=("MIN", "MAX"),
        help="seconds between two clips, drawn evenly; default: 0.5 1.5",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=13, metavar="N", help="of the order and the pauses; default: 13"
    )
    parser.set_defaults(run=run, action=_join)


def _add_tail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="DIR", help="recordings with audio"
    )
    parser.add_argument("--language", default="en", metavar="LANG", help="what is spoken")
    parser.add_argument(
        "--recognizer",
        nargs="+",
        default=["embedded"],
        metavar="NAME",
        help="one curve each: embedded, a known name, a folder or a hub id",
    )
    parser.add_argument("--chunk", type=float, default=0.5, metavar="S", help="seconds a step")
    parser.add_argument(
        "--out", type=Path, action=Draws, metavar="FILE", help="draw it: SVG, PNG or PDF"
    )
    parser.add_argument("--json", type=Path, action=Writes, metavar="FILE", help="write the curves")
    parser.set_defaults(run=run, action=_tail)


def run(args: argparse.Namespace) -> int:
    """Run, score, draw or listen."""
    args.action(args)
    return 0


def _run(args: argparse.Namespace) -> None:
    if args.skip < 0:
        raise UsageError(f"--skip is {args.skip}; it must be 0 or more.")
    for name in ("limit", "jobs"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise UsageError(f"--{name} is {getattr(args, name)}; it must be 1 or more.")
    if args.cluster is not None:
        _run_spread(args)
        return
    with extra("evaluate", "Measuring"):
        from alignatt4llm.evaluate.sweep import plans
    from alignatt4llm.evaluate.runs import run
    from alignatt4llm.interpreter import Interpreter

    run(plans(args, Interpreter(system.models(args), tell), tell), args.jobs, tell)


def _run_spread(args: argparse.Namespace) -> None:
    """Run on the actors of a cluster, each of which reads the recordings where they lie."""
    asked = system.models(args)
    names = (
        *("data", "pair", "policy", "latency", "closings", "set"),
        *("perfect", "skip", "limit", "jobs", "out"),
    )
    plain = {name: getattr(args, name) for name in names}
    plain |= {name: plain[name].absolute() for name in ("data", "out")}
    with cluster_options.connection(args) as actors:
        from alignatt4llm.cluster.evaluate import run

        run(argparse.Namespace(**plain), asked, actors, tell)


def _score(args: argparse.Namespace) -> None:
    with extra("evaluate", "Measuring"):
        from alignatt4llm.evaluate.score import MEASURES, score_run
    from alignatt4llm.evaluate.runs import FILES, read_run

    folders = [path for path in (args.folder, args.offline, args.against) if path]
    check_files(args, [folder / name for folder in folders for name in FILES])
    offline, against = (read_run(path) if path else None for path in (args.offline, args.against))
    result = score_run(read_run(args.folder), offline, against, args.comet)
    for name in (*MEASURES, *(["comet"] if args.comet else [])):
        print(f"{name:21} {_shown(result[name], 'value')}  {result[name]['signature']}")
    for name, difference in result.get("against", {}).items():
        shown = _shown(difference, "difference")
        p = "" if difference["p"] is None else f"  p={difference['p']:.3f}"
        print(f"difference in {name:21} {shown}{p}")
    if args.json:
        write_whole(args.json, json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def _curve(args: argparse.Namespace) -> None:
    with extra("evaluate", "Measuring"):
        from alignatt4llm.evaluate.curve import plot, point, table
        from alignatt4llm.evaluate.score import score_run
    from alignatt4llm.evaluate.runs import read_run

    points = [point(score_run(read_run(folder)), str(folder)) for folder in args.folders]
    plot(points, args.out)
    print(table(points))


def _join(args: argparse.Namespace) -> None:
    with extra("evaluate", "Measuring"):
        from alignatt4llm.evaluate.join import Joining, join

    shortest, longest = args.pause
    joined = join(args.data, args.out, Joining(args.minutes, shortest, longest, args.seed))
    count = sum(len(one.clips) for one in joined)
    tell(f"'{args.out}': clips: {count}; recordings: {len(joined)}.")


def _envelope(args: argparse.Namespace) -> None:
    with extra("evaluate", "Measuring"):
        from alignatt4llm.evaluate.score import above_rivals
    from alignatt4llm.evaluate.runs import read_run

    rivals = [read_run(folder) for folder in args.rivals]
    for name, difference in above_rivals(read_run(args.folder), rivals).items():
        shown = _shown(asdict(difference), "difference")
        print(f"{name:6} {shown}  {difference.signature}")


def _tail(args: argparse.Namespace) -> None:
    if not args.chunk > 0:
        raise UsageError(f"--chunk is {args.chunk:g}; it must be above 0 seconds.")
    with extra("evaluate", "Measuring"):
        from alignatt4llm.evaluate.tail import measure, plot, table
    from alignatt4llm.evaluate.corpus import corpus_files, read_corpus
    from alignatt4llm.machine.threads import beside
    from alignatt4llm.recognizers.agreement import HOLD_BACK
    from alignatt4llm.recognizers.loading import load_recognizer

    spoken = language(args.language, tell)
    corpora = {data: read_corpus(data, Pair(spoken, spoken), tell) for data in args.data}
    recordings = list(chain.from_iterable(corpora.values()))
    check_files(args, chain.from_iterable(corpus_files(*corpus) for corpus in corpora.items()))
    risks = {}
    for name in args.recognizer:
        engine = load_recognizer(name, threads=beside(), tell=tell)
        folders = ",".join(data.resolve().name for data in args.data)
        heard = f"recognizer:{name}|hold_back:{HOLD_BACK:g}s|data:{folders}"
        opened = partial(engine.open, spoken, HOLD_BACK)
        risks[name] = measure(recordings, opened, args.chunk, spoken, heard, tell)
        print(f"{risks[name].signature}\n\n{table(risks[name])}\n")
    if args.out:
        plot(risks, args.out)
    if args.json:
        write_whole(
            args.json, json.dumps({name: asdict(risk) for name, risk in risks.items()}) + "\n"
        )


def _shown(figure: dict[str, Any], key: str) -> str:
    if figure[key] is None:
        return "–"
    bounds = "" if figure["low"] is None else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure[key]:.3f}{bounds}"

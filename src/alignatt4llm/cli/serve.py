"""``alignatt serve``: live translation for browsers and other programs."""

import argparse
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_state_path

from alignatt4llm.cli import sinks, system
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError, extra
from alignatt4llm.heads.headset import ANY
from alignatt4llm.text.languages import Pair, language, targets

if TYPE_CHECKING:
    from alignatt4llm.interpreter import Interpreter

EXAMPLES = """\
examples:
  alignatt serve                        then open http://localhost:8765
  alignatt serve --engine http://gpu:8000   the model elsewhere, by 'alignatt serve-engine'
  alignatt serve --model scripted       no models: hears tones, for building clients
  ALIGNATT_TOKEN=... alignatt serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem

Beyond this machine a token is needed, from the environment variable ALIGNATT_TOKEN: open
https://host:8765/?token=... once. Browsers give microphones to localhost and to https only.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "serve",
        help="translate live for browsers and other programs",
        description="Translate live for browsers and other programs. Clients choose language and "
        "latency; the head set of --heads adds its direction.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port (%(default)s)")
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="another site whose pages may use this server, such as https://their.site; "
        "* for all, with a token; repeatable",
    )
    parser.add_argument(
        "--to", nargs="+", default=[], metavar="LANG",
        help="target of clients that name none; several for those that take them",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="source", default="en", metavar="LANG",
        help="what is spoken when clients do not say it (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    parser.add_argument(
        "--transcripts",
        metavar="FOLDER|redis://HOST:PORT/DB",
        help="where transcripts are kept (a folder of yours by default); servers that share the "
        "place go on with each other's sessions",
    )
    parser.add_argument("--keep-days", type=float, default=7, help="and how long (%(default)s)")
    parser.add_argument(
        "--sessions", type=int, default=8,
        help="at once, at most; each language of one counts (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--hours", type=float, default=6, help="of one session (%(default)s)")
    sinks.add_options(
        parser,
        f"{sinks.HELP}; {{session}}, {{from}} and {{to}} stand for the session's",
        sinks.FeedsAny,
    )
    system.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    destinations = sinks.destinations(args)
    with extra("serve"):
        from alignatt4llm.serve.captioning import Captioning
        from alignatt4llm.serve.descriptors import raise_limit
        from alignatt4llm.serve.journals.stores import is_address, store_at
        from alignatt4llm.serve.limits import Limits
        from alignatt4llm.serve.messages import Defaults
        from alignatt4llm.serve.server import Server, Settings, favour_the_loop, listen
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    own = user_state_path("alignatt4llm") / "transcripts"
    place = args.transcripts or own
    folder = own if is_address(place) else Path(place)
    defaults = Defaults(*_languages(args))
    settings = Settings(
        place,
        host=args.host,
        port=args.port,
        token=os.environ.get("ALIGNATT_TOKEN", "").strip() or None,
        origins=tuple(args.origin),
        defaults=defaults,
        certificate=args.tls_cert,
        key=args.tls_key,
        limits=Limits(
            sessions=args.sessions, session=args.hours * 3600, keep=args.keep_days * 86400
        ),
        captioning=Captioning(destinations, folder / "undelivered"),
    )
    store_at(place, settings.limits.keep).check()
    port = listen(settings)
    server = Server(_interpreter(args), settings)
    scheme, name = "https" if args.tls_cert else "http", args.host.replace("127.0.0.1", "localhost")
    tell(f"Serving on {scheme}://{name}:{args.port} (Ctrl-C stops).")
    favour_the_loop()
    raise_limit()
    server.run([port])
    code = server.exit_code
    if any(thread.daemon for thread in threading.enumerate()):
        os._exit(code)  # a thread that is still inside an engine would abort the process
    return code


def _languages(args: argparse.Namespace) -> tuple[str, tuple[str, ...]]:
    """Return what is meant where a client names no language; UsageError if it cannot be."""
    source = language(args.source, tell)
    into = targets(args.to, source, tell) if args.to else ()
    pairs = [Pair(source, target) for target in into]
    asked = system.served(args, pairs)
    if not pairs:
        _require(asked.is_ready, asked.model)
        return source.code, ()
    for pair in pairs:
        asked.check(pair)
        suits = asked.heads and asked.heads.pair in (str(pair), ANY)
        (asked if suits else replace(asked, heads=None)).chosen(pair)
    return source.code, tuple(target.code for target in into)


def _interpreter(args: argparse.Namespace) -> "Interpreter":
    from alignatt4llm.interpreter import Interpreter

    source, into = _languages(args)
    wanted = [Pair.parse(f"{source}-{target}") for target in into]
    interpreter = Interpreter(
        system.served(args, wanted), tell, streams=args.sessions, pairs=wanted
    )
    _require(bool(interpreter.pairs), interpreter.name)
    first = wanted or [Pair.parse(interpreter.pairs[0])]
    interpreter.open(first[0]).close()  # loads the recogniser
    return interpreter


def _require(ready: bool, model: str) -> None:
    """Raise UsageError unless a model has head sets; none is calibrated while it serves."""
    if not ready:
        raise UsageError(
            f"There is no head set for the model '{model}'. Say with --from and --to which "
            "direction to calibrate one for before serving, or give one with --heads."
        )

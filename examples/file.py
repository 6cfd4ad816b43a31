"""Translate a recording, and print each sentence beside its translation.

pip install 'alignatt4llm[laptop]'
python examples/file.py talk.mp4 en-de
"""

import sys

from alignatt4llm import AlignattError, Close, Interpreter, Notice


def main(path: str, pair: str) -> None:
    """Translate a file, or whatever else FFmpeg can read."""
    interpreter = Interpreter()
    with interpreter.open(pair, latency="high") as session:
        for event in session.stream(path):
            if isinstance(event, Close):
                print(f"{event.start:7.1f}  {event.source}\n         {event.target}\n")
            elif isinstance(event, Notice):
                print(event.text, file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except AlignattError as problem:
        sys.exit(str(problem))

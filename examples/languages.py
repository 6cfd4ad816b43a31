"""Translate a recording into several languages at once; it is heard only once.

pip install 'alignatt4llm[laptop]'
python examples/languages.py talk.mp4 en de it zh
"""

import sys

from alignatt4llm import AlignattError, Close, Interpreter


def main(path: str, spoken: str, *targets: str) -> None:
    """Print each sentence as soon as it is complete in one of the languages."""
    interpreter = Interpreter(streams=len(targets))
    with interpreter.stream(spoken, targets) as session:
        for event in session.stream(path):
            if isinstance(event, Close):
                print(f"{event.to}: {event.target}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except AlignattError as problem:
        sys.exit(str(problem))

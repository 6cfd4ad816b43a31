"""Translate what a microphone hears, until Ctrl-C.

pip install 'alignatt4llm[laptop]'
python examples/microphone.py en-de [part of the microphone's name]
"""

import signal
import sys

from alignatt4llm import AlignattError, AudioSource, Commit, Interpreter, Preview


def main(pair: str, device: str | None = None) -> None:
    """Print what is said; after it, in brackets, what may be said next."""
    interpreter = Interpreter()
    with interpreter.open(pair, latency="low") as session:
        events = session.stream(AudioSource.microphone(device))
        signal.signal(signal.SIGINT, lambda *_: events.stop())  # the last words are still said
        line = ""
        for event in events:
            if isinstance(event, Commit):
                line = (line + event.text)[-100:]
                print(f"\r\033[K{line}", end="", flush=True)
            elif isinstance(event, Preview):
                print(f"\r\033[K{line} [{event.text}]", end="", flush=True)
        print(f"\r\033[K{line}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except AlignattError as problem:
        sys.exit(str(problem))

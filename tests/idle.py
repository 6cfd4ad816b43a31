"""A process with nothing to do: by how much are its sleeps late, since others use the machine?

It prints the longest, in seconds, when its input ends.
"""

import sys
import threading
import time


def main():
    longest = 0.0
    waiting = threading.Thread(target=sys.stdin.read, daemon=True)
    waiting.start()
    while waiting.is_alive():
        before = time.perf_counter()
        time.sleep(0.001)
        longest = max(longest, time.perf_counter() - before - 0.001)
    print(longest)


if __name__ == "__main__":
    main()

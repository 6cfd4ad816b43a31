"""``alignatt subtitle``, killed without grace at a moment that is named; and who did what.

``python killed.py MOMENT NUMBER LOG ARGUMENTS...``: at the n-th time of that moment the process
kills itself. Every recording that is begun is a line of the log.
"""

import os
import signal
import sys
from pathlib import Path

from alignatt4llm.archive import record, work
from alignatt4llm.cli.main import main
from alignatt4llm.files import writing


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def worked(worker, task, begun=work.Worker.__call__):
    with LOG.open("a") as log:
        log.write(f"{task.item.name}\n")
    reached("before the work")
    outcome = begun(worker, task)
    reached("after the work")
    return outcome


def written(path, content, write=record.write_whole):
    reached("before a file")
    write(path, content)
    reached("after a file")


def half_written(path, data, write=writing._replace):
    if MOMENT == "within a file" and path.name.endswith(".srt"):
        left[0] -= 1
        if left[0] == 0:
            path.with_name(".0123456789abcdef.new").write_bytes(data[: len(data) // 2])
            kill()
    write(path, data)


def noted(kept, line, append=record.Record._append):
    if MOMENT == "within a note":
        left[0] -= 1
        if left[0] == 0:
            with kept._path.open("ab") as file:
                text = record._line(line).encode()
                file.write(text[: len(text) // 2])
            kill()
    reached("before a note")
    append(kept, line)
    reached("after a note")


def reached(moment):
    if moment == MOMENT:
        left[0] -= 1
        if left[0] == 0:
            kill()


if __name__ == "__main__":
    MOMENT, left, LOG = sys.argv[1], [int(sys.argv[2])], Path(sys.argv[3])
    work.Worker.__call__ = worked
    record.write_whole = written
    writing._replace = half_written
    record.Record._append = noted
    sys.exit(main(sys.argv[4:]))

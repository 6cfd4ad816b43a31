"""Journals in a folder, as tests write and read them."""

from alignatt4llm.serve.journals.folder import FileLog
from alignatt4llm.serve.journals.journal import Journal
from alignatt4llm.serve.pasts import Pasts


def created(path, header):
    """Begin a journal."""
    return Journal(FileLog.create(path, header), owned=True)


def journal_of(path):
    """Open a journal to be read."""
    return Journal(FileLog(path))


def taken(path):
    """Go on with a journal; return it and what was said."""
    log = FileLog(path)
    past = Pasts(log.header["to"])
    journal = Journal(log, past)
    journal.take()
    return journal, past


def past_of(path):
    """Return what was said."""
    log = FileLog(path)
    past = Pasts(log.header["to"])
    Journal(log, past)
    return past

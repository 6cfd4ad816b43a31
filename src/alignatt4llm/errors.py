"""Errors that a user can act on."""


class AlignattError(Exception):
    """A problem told to the user as one clear sentence, never as a traceback.

    The message says what is wrong and what to do about it.
    """

    exit_code = 1


class UsageError(AlignattError):
    """The request itself cannot be carried out: an unknown language, a bad option."""

    exit_code = 2


class PromptTooLong(AlignattError):
    """Prompt and draft budget together exceed the model's context."""

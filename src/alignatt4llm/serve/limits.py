"""What a server allows its clients."""

from dataclasses import dataclass, fields

from alignatt4llm.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on sessions and messages; durations in seconds, sizes in bytes, all above 0.

    Attributes
    ----------
    sessions
        Sessions at once, those that wait for their client to come back included; one that is
        translated into several languages counts as so many.
    session
        Longest audio of one session.
    idle
        Longest time a connected client may send no audio.
    quiet
        Longest time a client of the text door may send nothing.
    resume
        How long a session waits for a client that is gone before it is ended.
    hello
        How long a new connection may take to say what it wants.
    heartbeat
        Time between two messages about the status to a client.
    send
        How long a client may take to accept a message.
    step
        How long recogniser and model may take for one chunk.
    drain
        How long stopping waits for audio that was received to be translated.
    backlog
        Audio received and not yet taken up, after which the client is made to wait.
    keep
        How long transcripts stay on disk after their last change.
    message
        Largest message.
    upload
        Largest upload.
    rate
        Slowest average of an upload, in bytes per second; nor may it take longer than ``session``.
    errors
        Bad messages in a row that end a conversation.
    viewers
        Caption feeds at once.
    """

    sessions: int = 8
    session: float = 6 * 3600.0
    idle: float = 60.0
    quiet: float = 600.0
    resume: float = 120.0
    hello: float = 10.0
    heartbeat: float = 1.0
    send: float = 30.0
    step: float = 120.0
    drain: float = 20.0
    backlog: float = 30.0
    keep: float = 7 * 24 * 3600.0
    message: int = 1 << 18
    upload: int = 1 << 28
    rate: float = 1000.0
    errors: int = 20
    viewers: int = 200

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise UsageError(f"The limit '{field.name}' is {value}; it must be above 0.")

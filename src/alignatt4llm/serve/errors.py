"""Everything that can go wrong between a client and the server.

ServeError
├── BadMessage        not a message of the protocol          the conversation goes on
├── BadState          a message that is not expected now     the conversation goes on
├── Refused           a target cannot be added or dropped    the conversation goes on
├── TooLarge          a message or file above the limit      the conversation goes on
├── UnknownFile       nothing at this path, or no such kind of transcript
├── NoSuchMethod      a path that does not take this method
├── Unexpected        the server failed in a way that nobody has thought of
└── Farewell                                                 the conversation ends
    ├── Unauthorized      no token, a wrong one, or a foreign origin
    ├── UnknownSession    nothing to resume under this name and key
    ├── WrongVersion      a session of another version of the protocol
    ├── Unsupported       no head set for this pair
    ├── Busy              every place is taken
    ├── Unkept            what is said cannot be kept now; resume in a moment
    ├── Draining          the server is being stopped; resume when it is back
    ├── Replaced          another connection, or server, has taken the session over
    ├── Idle              no audio for too long; the session was ended
    ├── TooLong           the session is as long as sessions may be; it was ended
    ├── TooManyErrors     one bad message after another
    ├── BadAudio          the audio cannot be decoded
    ├── EngineFailed      recogniser or model raised an error
    └── EngineStuck       recogniser or model did not come back; resume when the server is back
"""

from typing import ClassVar

from alignatt4llm.errors import AlignattError


class ServeError(AlignattError):
    """A problem told to the client in an error frame.

    Parameters
    ----------
    message
        One sentence.
    param
        The field that is wrong, if it is one of a form.

    Attributes
    ----------
    code
        Name on the wire.
    close
        WebSocket close code, or None when the conversation goes on.
    status
        HTTP status.
    """

    code: ClassVar[str]
    close: ClassVar[int | None] = None
    status: ClassVar[int] = 400

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class BadMessage(ServeError):
    """Not a message of the protocol."""

    code = "bad_message"


class BadState(ServeError):
    """A message that is not expected now."""

    code = "bad_state"


class Refused(ServeError):
    """A target cannot be added or dropped now."""

    code = "refused"


class TooLarge(ServeError):
    """A message or file above the limit."""

    code = "too_large"
    status = 413


class UnknownFile(ServeError):
    """There is nothing at this path, or no such kind of transcript."""

    code = "not_found"
    status = 404


class NoSuchMethod(ServeError):
    """A path does not take this method."""

    code = "method_not_allowed"
    status = 405


class Unexpected(ServeError):
    """The server failed in a way that nobody has thought of."""

    code = "internal_error"
    status = 500


class Farewell(ServeError):
    """The conversation ends with this."""

    close = 1008


class Unauthorized(Farewell):
    """No token, a wrong one, or a foreign origin."""

    code = "unauthorized"
    status = 401


class UnknownSession(Farewell):
    """There is nothing under this name and key."""

    code = "unknown_session"
    status = 404


class WrongVersion(Farewell):
    """The session was begun with another version of the protocol."""

    code = "wrong_version"


class Unsupported(Farewell):
    """There is no head set for this pair."""

    code = "unsupported_direction"


class Busy(Farewell):
    """Every place is taken."""

    code = "busy"
    close = 1013
    status = 503


class Unkept(Farewell):
    """What is said cannot be kept now: the store is away, or full.

    Parameters
    ----------
    reason
        Why, in a few words.
    """

    code = "unkept"
    close = 1013
    status = 503

    def __init__(self, reason: str) -> None:
        super().__init__(f"What is said cannot be kept now ({reason}); connect again in a moment.")
        self.reason = reason


class Draining(Farewell):
    """The server is being stopped."""

    code = "draining"
    close = 1012
    status = 503


class Replaced(Farewell):
    """Another connection, or another server, has taken the session over."""

    code = "replaced"


class Idle(Farewell):
    """No audio for too long."""

    code = "idle"
    close = 1000
    status = 408


class TooLong(Farewell):
    """The session is as long as sessions may be."""

    code = "too_long"
    close = 1000


class TooManyErrors(Farewell):
    """One bad message after another."""

    code = "too_many_errors"


class BadAudio(Farewell):
    """The audio cannot be decoded."""

    code = "bad_audio"
    close = 1007


class EngineFailed(Farewell):
    """Recogniser or model raised an error."""

    code = "engine_failed"
    close = 1011
    status = 500


class EngineStuck(Farewell):
    """Recogniser or model did not come back, and the server is restarted."""

    code = "engine_stuck"
    close = 1012
    status = 503

"""Journals in Redis: a stream a session, and beside it its header and the epoch of its owner.

The id of an event is its number and 0; of what stands between two events, the number of the first
and 1, 2, … So Redis itself takes no event twice, and finds each by its number.
"""

import os
import re
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from redis import ConnectionError as NoConnection
from redis import Redis, RedisError
from redis import TimeoutError as NoAnswer
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.serve.errors import Replaced, Unkept, UnknownSession
from alignatt4llm.serve.journals.records import (
    check_name,
    header_line,
    is_event,
    missing,
    read_header,
)

PASSWORD = "ALIGNATT_REDIS_PASSWORD"
"""The environment variable with the password, unless the address has one."""
_OLDEST = "6.2"
"""The oldest version of Redis whose streams can be read from behind a line."""
_AT_ONCE = 512
"""Lines read at once, and lines kept at hand: a Redis that was killed may have lost the last."""
_PATIENCE = 1.0
"""Seconds in which Redis must answer."""
_REST = 0.2
"""Seconds after a failure in which nobody asks again."""

_Id = tuple[int, int]
_Line = tuple[_Id, str]

_CREATE = """
if redis.call('HSETNX', KEYS[1], 'header', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'epoch', 1, 'owner', ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""

_TAKE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)
"""

_WRITE = """
local mine, owner, after, keep, header = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local function before(one, other)
  local a, b = one:match('(%d+)-(%d+)')
  local c, d = other:match('(%d+)-(%d+)')
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  return a < c or (a == c and b < d)
end
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0)
if epoch > mine or (epoch == mine and redis.call('HGET', KEYS[1], 'owner') ~= owner) then
  return 'replaced'
end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'
if before(last, after) or (epoch < mine and header == '') then return last end
local final = #ARGV > 5 and ARGV[#ARGV - 1] or after
if before(final, last) then return 'replaced' end
for i = 6, #ARGV, 2 do
  if not before(last, ARGV[i]) then
    local found = redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i])[1]
    if not found or found[2][2] ~= ARGV[i + 1] then return 'replaced' end
  end
end
if epoch < mine then
  redis.call('HSET', KEYS[1], 'header', header, 'epoch', mine, 'owner', owner)
end
for i = 6, #ARGV, 2 do
  if before(last, ARGV[i]) then
    redis.call('XADD', KEYS[2], ARGV[i], 'line', ARGV[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('PEXPIRE', KEYS[2], keep)
return 'kept'
"""
"""Nothing is written unless all of it can be: by the owner, behind the line that it knows as the
last, and nowhere where another line stands. An epoch below the owner's shows that Redis has lost
what came after it; only with the header, when it is repaired, is that written over."""


class RedisStore:
    """Journals in a Redis database, version 6.2 or later; see `Store`.

    Parameters
    ----------
    address
        ``redis://host:port/database``, or ``rediss://`` for TLS, with user and password if need be.
    keep
        Seconds for which a journal stays after its last change.

    Attributes
    ----------
    keep
        In milliseconds.

    Raises
    ------
    UsageError
        If it is no address.
    """

    def __init__(self, address: str, keep: float) -> None:
        self.keep = max(1, round(keep * 1000))
        self._redis = _client(address)
        known = self._redis.connection_pool.connection_kwargs
        self._name = f"redis://{known.get('host')}:{known.get('port')}/{known.get('db') or 0}"
        self._scripts = {
            text: self._redis.register_script(text) for text in (_CREATE, _TAKE, _WRITE)
        }
        self._rests, self._reason = 0.0, ""

    def create(self, header: dict[str, Any]) -> "RedisLog":
        """Begin a journal; see `Store`."""
        session = check_name(header["session"])
        log = RedisLog(self, session, header, 1)
        self.call(_CREATE, session, header_line(header), log.owner, self.keep)
        log.header = self.header(session)
        return log

    def open(self, session: str) -> "RedisLog":
        """Find a journal; see `Store`."""
        return RedisLog(self, session, self.header(session))

    def header(self, session: str) -> dict[str, Any]:
        """Read a header; see `Store`."""
        key, _ = _keys(check_name(session))
        with self._asking():
            line = self._redis.hget(key, "header")
        if line is None:
            raise missing()
        return read_header(str(line))

    def tidy(self) -> None:
        """Do nothing: Redis deletes by itself what has not changed for so long."""

    def check(self) -> None:
        """Try to write; see `Store`."""
        try:
            self._redis.set("alignatt:check", "", px=1000)
            version = self._version()
        except RedisError as problem:
            raise AlignattError(
                f"Transcripts cannot be kept at {self._name} ({problem}); start Redis there, or "
                "give another address or a folder with --transcripts."
            ) from problem
        if _parts(version) < _parts(_OLDEST):
            raise AlignattError(
                f"Transcripts are kept in Redis {_OLDEST} or later, and at {self._name} this is "
                f"{version}; start a newer one, or give a folder with --transcripts."
            )

    def _version(self) -> str:
        """Return the version of Redis, as far as it tells."""
        try:
            told: Any = self._redis.info("server")
        except NoPermissionError:
            return _OLDEST
        version = str(told.get("redis_version", ""))
        return version if _parts(version) else _OLDEST

    def call(self, script: str, session: str, *values: str | int) -> Any:
        """Run a script on the keys of a session."""
        with self._asking():
            return self._scripts[script](keys=_keys(session), args=values)

    def read(self, session: str, after: str) -> list[tuple[str, dict[str, str]]]:
        """Return the first lines after an id."""
        with self._asking():
            found: Any = self._redis.xrange(_keys(session)[1], f"({after}", count=_AT_ONCE)
        return list(found)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Say as Unkept what Redis does not do; then let it rest, so that nobody waits in vain."""
        if time.monotonic() < self._rests:
            raise Unkept(self._reason)
        try:
            yield
        except RedisError as problem:
            silent = isinstance(problem, NoConnection | NoAnswer)
            self._reason = "Redis does not answer" if silent else f"Redis answers: {problem}"
            self._rests = time.monotonic() + _REST
            raise Unkept(self._reason) from problem


class RedisLog:
    """The lines of one session in a stream; see `Log`.

    Parameters
    ----------
    store
        Where it is.
    session
        Its name.
    header
        What it was started with.
    epoch
        Of its owner, if that is here.

    Attributes
    ----------
    owner
        Who writes here: Redis may lose the last epochs, and so count one twice.
    """

    def __init__(
        self, store: RedisStore, session: str, header: dict[str, Any], epoch: int = 0
    ) -> None:
        self.header, self.owner = header, secrets.token_urlsafe(8)
        self._store, self._session, self._epoch = store, session, epoch
        self._known = deque([((0, 0), "")], maxlen=_AT_ONCE)

    @property
    def _at(self) -> _Id:
        """The id of the last line that is known."""
        return self._known[-1][0]

    def more(self) -> Iterator[str]:
        """Yield lines; see `Log`."""
        while found := self._store.read(self._session, _id(self._at)):
            for name, fields in found:
                self._known.append((_read(name), fields["line"]))
                yield fields["line"]

    def since(self, seq: int, most: int) -> list[str]:
        """Return events; see `Log`."""
        lines: list[str] = []
        after = _id((seq, 1 << 62))
        while len(lines) < most and (found := self._store.read(self._session, after)):
            lines += [fields["line"] for name, fields in found if name.endswith("-0")]
            after = found[-1][0]
        return lines[:most]

    def take(self) -> list[str]:
        """Become the owner; see `Log`."""
        epoch = int(self._store.call(_TAKE, self._session, self.owner))
        if not epoch:
            raise missing()
        self._epoch = epoch
        return list(self.more())

    def write(self, lines: Sequence[str]) -> None:
        """Write lines; see `Log`."""
        at, new = self._at, list[_Line]()
        for line in lines:
            at = (at[0] + 1, 0) if is_event(line) else (at[0], at[1] + 1)
            new.append((at, line))
        if self._write(self._at, new):
            self._repair(new)
        self._known += new

    def _write(self, after: _Id, lines: Sequence[_Line], header: str = "") -> str:
        """Write lines behind others; where those are not there, return the last that is."""
        values = [value for at, line in lines for value in (_id(at), line)]
        known = self._epoch, self.owner, _id(after), self._store.keep, header
        answer = str(self._store.call(_WRITE, self._session, *known, *values))
        if answer == "replaced":
            raise Replaced("Another server goes on with this session.")
        return "" if answer == "kept" else answer

    def _repair(self, new: Sequence[_Line]) -> None:
        """Write again what Redis has lost, if all of it is at hand."""
        (first, _), *known = self._known
        if self._write(first, [*known, *new], header_line(self.header)):
            raise UnknownSession("What was said in this session is lost; begin a new one.")

    def close(self) -> None:
        """Do nothing: there is nothing to be closed."""


def _client(address: str) -> "Redis":
    """Return a client; it connects when it is first used."""
    scheme, _, rest = address.partition("://")
    try:
        if not re.fullmatch(r"[0-9]*", urlsplit(address).path.strip("/")):
            raise ValueError("the database is no number")
        client = Redis.from_url(
            f"{scheme.lower()}://{rest}",
            password=os.environ.get(PASSWORD) or None,
            decode_responses=True,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            # a connection that a restart has cut is made anew
            retry=Retry(NoBackoff(), 1, supported_errors=(NoConnection,)),
        )
        client.connection_pool.make_connection()  # tells what is wrong with its options
    except (ValueError, TypeError) as problem:
        raise UsageError(
            "--transcripts takes a folder, or an address such as redis://host:6379/0 or "
            f"rediss://host:6379/0; this is none ({problem})."
        ) from problem
    return client


def _keys(session: str) -> tuple[str, str]:
    key = f"alignatt:{{{session}}}"
    return key, f"{key}:lines"


def _parts(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _id(at: _Id) -> str:
    return f"{at[0]}-{at[1]}"


def _read(name: str) -> _Id:
    number, place = name.split("-")
    return int(number), int(place)

// The audio door's client: one session over as many connections as it takes.

const VERSION = 2;
const KEPT = 1800 * 32000; // bytes of audio kept at most that are not settled: half an hour, 58 MB
const BUFFERED = 256 * 1024; // bytes on their way at most, as far as is seen here
const AHEAD = 30 * 32000; // bytes beyond those that the session has received, at most
const SILENCE = 15000; // ms without any message after which the connection is dead
const WAITS = [300, 1000, 2000, 4000, 8000]; // ms between attempts
const FINAL = new Set([
  "unauthorized", "unsupported_direction", "busy", "replaced", "idle", "too_long",
  "too_many_errors", "bad_audio", "wrong_version",
]);

/**
 * Dispatches: `event` (detail: an event of the session), `status`, `state` (detail: {name,
 * message}; names: connecting, live, waiting, ended, failed) and `session` (detail: its name).
 */
export class Link extends EventTarget {
  /** @param {{from: string, to: string[], latency: string}} wish */
  constructor(wish) {
    super();
    this.wish = wish;
    this.session = null;
    this.seq = 0;
    this.kept = []; // {at, bytes}: audio that the server may still need
    this.end = 0; // position just past the audio taken so far
    this.sent = 0; // position just past the audio sent over this connection
    this.room = 0; // position up to which audio may be sent
    this.attempt = 0;
    this.faults = 0;
    this.finishing = false;
    this.over = false;
    this.timer = setInterval(() => this.tend(), 100);
    addEventListener("online", (this.online = () => this.reconnectNow()));
    this.connect();
  }

  /** Take the next audio. */
  push(bytes) {
    if (this.over || this.finishing) return;
    this.kept.push({ at: this.end, bytes });
    this.end += bytes.byteLength;
    while (this.kept.length && this.end - this.kept[0].at > KEPT) this.kept.shift();
    this.pump();
  }

  /** There is no more audio. */
  finish() {
    this.finishing = true;
    this.pump();
  }

  connect() {
    this.tell("connecting", this.session ? "Reconnecting…" : "Connecting…");
    const url = new URL("live", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    this.ready = this.ended = false;
    this.heard = Date.now();
    socket.onopen = () => socket.send(JSON.stringify(this.greeting()));
    socket.onmessage = (message) => socket === this.socket && this.receive(JSON.parse(message.data));
    socket.onclose = () => socket === this.socket && this.lost();
  }

  greeting() {
    if (!this.session) {
      return { type: "start", version: VERSION, audio: "s16le", trace: true, ...this.wish };
    }
    const position = this.kept.length ? this.kept[0].at : this.end;
    return { type: "resume", version: VERSION, trace: true, seq: this.seq, position, ...this.session };
  }

  receive(message) {
    this.heard = Date.now();
    const { type } = message;
    if (type === "started" || type === "resumed") this.begun(message);
    else if (type === "status") this.status(message);
    else if (type === "error") this.problem(message);
    else if (type !== "pong") this.event(message);
  }

  begun(message) {
    this.attempt = 0;
    this.ready = true;
    this.sent = message.position;
    this.room = message.position + AHEAD;
    if (message.type === "started") {
      this.session = { session: message.session, key: message.key };
      this.dispatch("session", message.session);
    }
    this.tell("live", "Listening.");
    this.pump();
  }

  event(message) {
    if (message.seq) {
      if (message.seq <= this.seq) return;
      this.seq = message.seq;
      this.faults = 0;
    }
    this.dispatch("event", message);
    if (message.type === "end") this.stop("ended", "The session has ended.");
  }

  status(message) {
    while (this.kept.length && this.kept[0].at + this.kept[0].bytes.byteLength <= message.settled) {
      this.kept.shift();
    }
    this.room = Math.max(this.room, message.received + AHEAD);
    this.dispatch("status", message);
  }

  /** Whatever is not final is followed by a close, and then by a resume. */
  problem({ code, message, fatal }) {
    if (!fatal) return console.warn(code, message);
    if (code === "unknown_session") return this.startAnew();
    if (code === "busy" && this.session) return; // a place for it will be free again
    if (code.startsWith("engine") && ++this.faults > 3) this.stop("failed", message);
    else if (FINAL.has(code)) this.stop("failed", message);
  }

  /** The server knows the session no more: go on in a new one with what is kept. */
  startAnew() {
    const base = this.kept.length ? this.kept[0].at : this.end;
    this.kept.forEach((piece) => (piece.at -= base));
    this.end -= base;
    this.session = null;
    this.seq = 0;
  }

  /** Send what is due, as long as it leaves. */
  pump() {
    if (!this.ready || this.socket.readyState !== WebSocket.OPEN) return;
    for (const { at, bytes } of this.kept) {
      if (at + bytes.byteLength <= this.sent) continue;
      if (this.socket.bufferedAmount > BUFFERED || at >= this.room) return;
      this.socket.send(at < this.sent ? bytes.slice(this.sent - at) : bytes);
      this.sent = at + bytes.byteLength;
    }
    if (this.finishing && !this.ended) {
      this.ended = true;
      this.socket.send('{"type": "end"}');
      this.tell("live", "Translating the last words…");
    }
  }

  tend() {
    this.pump();
    if (this.socket && Date.now() - this.heard > SILENCE) this.drop();
  }

  /** Give the connection up, and try again at once. */
  drop() {
    const { socket } = this;
    this.socket = null;
    socket?.close();
    this.lost();
  }

  lost() {
    this.ready = false;
    this.socket = null;
    if (this.over) return;
    const wait = WAITS[Math.min(this.attempt++, WAITS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.tell("waiting", "The connection is lost; audio is kept. Reconnecting…");
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), wait);
  }

  reconnectNow() {
    if (this.socket || this.over) return;
    clearTimeout(this.retry);
    this.connect();
  }

  stop(name, message) {
    this.over = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    removeEventListener("online", this.online);
    this.socket?.close();
    this.tell(name, message);
  }

  tell(name, message) {
    this.dispatch("state", { name, message });
  }

  dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

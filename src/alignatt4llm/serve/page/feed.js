// The events of one session for those who read along; goes on by itself after a break.

const SILENCE = 40000; // ms without any event after which the connection is dead
const WAIT = 5000; // ms, more or less, before a refused feed is asked for again
const NUMBERED = ["commit", "close"];
const OTHERS = ["session", "source", "alive", "over"];

/**
 * Dispatches the events under their own names (detail: their data), and `state` (detail: live,
 * waiting, over or gone).
 */
export class Feed extends EventTarget {
  /**
   * @param {URL} address
   * @param {Object<string, string>} first what is asked for besides until something has come
   */
  constructor(address, first = {}) {
    super();
    this.address = address;
    this.first = first;
    this.seq = 0;
    this.over = false;
    addEventListener("online", () => this.source && this.open());
  }

  open() {
    this.close();
    if (this.over) return;
    const url = new URL(this.address);
    const asked = this.seq ? { after: this.seq } : this.first;
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    const source = (this.source = new EventSource(url));
    for (const kind of [...NUMBERED, ...OTHERS]) {
      source.addEventListener(kind, (event) => source === this.source && this.take(kind, event));
    }
    source.onerror = () => source === this.source && this.lost();
    this.heard = Date.now();
    this.timer = setInterval(() => Date.now() - this.heard > SILENCE && this.open(), 2000);
  }

  close() {
    this.source?.close();
    this.source = null;
    clearInterval(this.timer);
    clearTimeout(this.retry);
  }

  take(kind, { data, lastEventId }) {
    this.heard = Date.now();
    if (NUMBERED.includes(kind)) {
      const seq = Number(lastEventId);
      if (seq <= this.seq) return;
      this.seq = seq;
    }
    if (kind === "over") {
      this.over = true;
      this.close();
    }
    this.tell("state", this.over ? "over" : "live");
    this.tell(kind, JSON.parse(data));
  }

  /** The browser tries again by itself unless it was refused. */
  lost() {
    this.tell("state", "waiting");
    if (this.source.readyState !== EventSource.CLOSED) return;
    this.close();
    this.retry = setTimeout(() => this.again(), WAIT * (0.6 + 0.8 * Math.random()));
  }

  async again() {
    const answer = await fetch(this.address, { method: "HEAD" }).catch(() => null);
    if (answer?.status === 404) this.tell("state", "gone");
    else this.open();
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// What was said and heard, as the events tell it. Knows nothing of the page.

/**
 * A stretch of target text that shows where it came from.
 * @typedef {{text: string, sources: [number, number][], hold: string, utterance: Utterance}} Piece
 * @typedef {{number: number, words: string[], pieces: Piece[], closed: boolean}} Utterance
 */

export class Record {
  constructor() {
    this.restart();
  }

  /** Begin with the utterances of a new session. */
  restart() {
    this.open = utterance(0);
    this.before = []; // the words of the utterance that closed last
    this.committed = [];
    this.tail = [];
    this.frontier = 0;
    this.held = [];
    this.later = null; // a source that came before its utterance began
  }

  /**
   * Take an event.
   * @returns {Piece[]} what was said with it
   */
  take(event) {
    if (event.type === "source") this.hear(event);
    if (event.type === "trace") this.weigh(event);
    if (event.type === "preview") this.preview(event);
    if (event.type === "close") this.close(event);
    return event.type === "commit" ? this.say(event) : [];
  }

  hear(event) {
    const { utterance: number, committed, tail } = event;
    this.later = number > this.open.number ? event : null;
    if (this.later) return;
    this.committed = committed.map((word) => word.text);
    this.tail = tail.map((word) => word.text);
    this.open.words = [...this.committed, ...this.tail];
  }

  weigh({ tokens, frontier }) {
    this.frontier = frontier;
    this.held = tokens
      .filter((token) => token.hold)
      .map(({ text, sources, hold }) => ({ text, sources, hold, utterance: this.open }));
  }

  preview({ text, reason }) {
    const told = this.held.map((piece) => piece.text).join("").trim();
    if (told === text) return;
    this.held = text ? [{ text: ` ${text}`, sources: [], hold: reason, utterance: this.open }] : [];
  }

  say({ pieces, text }) {
    const parts = pieces.length ? pieces : [{ text, sources: [] }];
    const said = parts.map(({ text: part, sources }) => ({
      text: part, sources, hold: "", utterance: this.open,
    }));
    this.open.pieces.push(...said);
    this.held = [];
    return said;
  }

  /** Text beyond the closed target belongs to the next utterance, and so do its words. */
  close({ utterance: number, source, target, words: count }) {
    const closed = this.open;
    const words = wordsOf(source, closed.words.slice(0, count));
    const next = utterance(number + 1);
    next.words = closed.words.slice(count);
    let length = 0;
    const kept = closed.pieces.filter((piece, index) => {
      const begins = length;
      length += index ? piece.text.length : piece.text.trimStart().length;
      return begins < target.length;
    });
    for (const piece of closed.pieces.slice(kept.length)) {
      piece.sources = piece.sources.map(([word, share]) => [word - count, share]);
      piece.utterance = next;
      next.pieces.push(piece);
    }
    Object.assign(closed, { words, pieces: kept, closed: true });
    this.before = words;
    this.committed = this.committed.slice(count);
    this.open = next;
    if (this.later) this.hear(this.later);
    this.held = [];
  }
}

/** What was heard, if it was heard to its end; a client that came late has only the text. */
function wordsOf(source, heard) {
  return ["", " "].some((space) => heard.join(space) === source) ? heard : source.split(" ");
}

function utterance(number) {
  return { number, words: [], pieces: [], closed: false };
}

// One target of a session: its events, and what is heard as it counts words and utterances.

export class Only {
  /** @param {string} to its language */
  constructor(to) {
    this.to = to;
    this.utterance = 0;
    this.first = 0; // words of the stream before the open utterance
    this.words = []; // committed ones, from the open utterance on
  }

  /** Return an event as it concerns this target; null if it does not. */
  take(event) {
    if (event.type === "source") return this.heard(event);
    if (event.to && event.to !== this.to) return null;
    if (event.type === "target" && event.state === "joined") {
      this.first = event.first;
      this.words = [];
    }
    if (event.type === "close") {
      this.utterance = event.utterance + 1;
      this.first += event.words;
      this.words.splice(0, event.words);
    }
    return event;
  }

  /** Words that were told to others while this page was away are missing; they come with the close. */
  heard(event) {
    if (event.to === this.to && event.first !== this.first) {
      Object.assign(this, { utterance: event.utterance, first: event.first, words: [] });
    }
    const ahead = event.first - this.first;
    const count = this.words.length;
    if (count < ahead || count > ahead + event.committed.length) return null;
    const known = this.words.slice(0, Math.max(0, ahead));
    this.words = [...known, ...event.committed.slice(Math.max(0, -ahead))];
    return { ...event, utterance: this.utterance, committed: this.words };
  }
}

// The captions: committed text is only ever added; held text stands dimmed behind it.

export class Captions {
  /** @param {(piece: import("./record.js").Piece[]) => void} look shows where words look */
  constructor(look) {
    this.look = look;
    this.box = document.getElementById("captions");
    this.said = document.getElementById("said");
    this.held = document.getElementById("held");
    this.latest = document.getElementById("latest");
    this.pieces = new WeakMap();
    this.follows = true;
    this.fresh = true;
    this.chosen = [];
    this.box.addEventListener("scroll", () => this.scrolled());
    this.box.addEventListener("keydown", (event) => this.key(event));
    for (const part of [this.said, this.held]) {
      part.addEventListener("pointerover", (event) => this.choose(event.target));
      part.addEventListener("click", (event) => this.choose(event.target));
    }
    this.latest.addEventListener("click", () => this.follow());
    new ResizeObserver(() => this.stay()).observe(this.box);
  }

  /** Set the language of what is said, for voices and fonts. */
  language(code) {
    this.said.lang = this.held.lang = code;
  }

  /** Add what was said. */
  add(pieces) {
    for (const piece of pieces) {
      let text = piece.text;
      if (this.fresh) {
        this.said.append(document.createElement("p"));
        text = text.trimStart();
        this.fresh = false;
      }
      this.said.lastElementChild.append(...this.nodes(text, piece));
    }
    this.stay();
  }

  /** What is said next begins a paragraph. */
  newParagraph() {
    this.fresh = this.said.childElementCount > 0 || this.fresh;
  }

  /** Show what is held. */
  hold(pieces) {
    const chosen = this.chosen.some((span) => this.held.contains(span));
    this.held.replaceChildren(...pieces.flatMap((piece) => this.nodes(piece.text, piece)));
    if (this.fresh && this.held.firstChild) this.held.prepend(document.createElement("br"));
    if (chosen) this.chosen = [];
    this.stay();
  }

  /** The white space in front of a piece, and the piece itself, which can be chosen. */
  nodes(text, piece) {
    const span = document.createElement("span");
    span.textContent = text.trimStart();
    this.pieces.set(span, piece);
    return [text.slice(0, text.length - text.trimStart().length), span];
  }

  /** Choose the whole word that a span belongs to. */
  choose(span) {
    if (!this.pieces.has(span)) return;
    this.chosen.forEach((one) => one.classList.remove("chosen"));
    this.chosen = this.word(span);
    this.chosen.forEach((one) => one.classList.add("chosen"));
    this.look(this.chosen.map((one) => this.pieces.get(one)));
  }

  word(span) {
    let first = span;
    while (first.previousElementSibling && joins(first.previousElementSibling, first)) {
      first = first.previousElementSibling;
    }
    const word = [first];
    while (word.at(-1).nextElementSibling && joins(word.at(-1), word.at(-1).nextElementSibling)) {
      word.push(word.at(-1).nextElementSibling);
    }
    return word;
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const spans = [...this.said.querySelectorAll("span"), ...this.held.querySelectorAll("span")];
    if (event.key === "End") this.follow();
    if (!step || !spans.length) return;
    event.preventDefault();
    const at = step > 0 ? spans.indexOf(this.chosen.at(-1)) : spans.indexOf(this.chosen[0]);
    const none = step > 0 ? 0 : spans.length - 1;
    const next = spans[at < 0 ? none : Math.max(0, Math.min(spans.length - 1, at + step))];
    this.choose(next);
    next.scrollIntoView({ block: "nearest" });
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    this.follows = scrollHeight - scrollTop - clientHeight < 60;
    this.latest.hidden = this.follows;
  }

  stay() {
    if (this.follows) this.box.scrollTo({ top: this.box.scrollHeight, behavior: "instant" });
  }

  follow() {
    this.follows = true;
    this.latest.hidden = true;
    this.stay();
  }
}

/** Whether two neighbouring pieces make one word; every wide character is a word of its own. */
function joins(one, other) {
  const wide = /[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]/;
  const between = one.nextSibling === other ? "" : one.nextSibling.textContent;
  return !/\s/.test(between) && !wide.test(one.textContent.at(-1)) && !wide.test(other.textContent[0]);
}

// Lines that roll up: a line is filled before the next begins, and none but the last ever changes.
// The server says where a line may end, after any part of the text; here is how much room there is.

const ruler = document.createElement("canvas").getContext("2d");

export class Lines {
  /**
   * @param {HTMLElement} box holds a div a line
   * @param {number} kept lines that stay at most
   * @param {() => void} rolled is called when a line has begun
   */
  constructor(box, kept = Infinity, rolled = () => {}) {
    this.box = box;
    this.kept = kept;
    this.rolled = rolled;
    this.parts = []; // of each line: {part, joins}
    this.measure();
  }

  /**
   * Add what was said.
   * @param {string[]} parts with the space before each
   * @param {boolean} joins whether the first goes on the last of before
   */
  add(parts, joins) {
    if (!this.room) this.measure(); // it was not shown yet
    parts.forEach((part, at) => this.put(part, joins && at === 0));
  }

  put(part, joins) {
    const line = this.box.lastElementChild;
    if (line && (joins || this.fits(line.textContent + part))) {
      this.parts.at(-1).push({ part, joins });
      line.append(part);
      return;
    }
    this.parts.push([{ part, joins }]);
    const next = document.createElement("div");
    next.append(part);
    this.box.append(next);
    while (this.parts.length > this.kept) {
      this.parts.shift();
      this.box.firstElementChild.remove();
    }
    this.rolled();
  }

  fits(text) {
    ruler.font = this.font;
    return !this.room || ruler.measureText(text.trim()).width <= this.room;
  }

  /** Lay all lines out anew if there is more or less room, or the letters are of another size. */
  again() {
    const before = [this.room, this.font].join();
    this.measure();
    if (!this.room || before === [this.room, this.font].join()) return;
    const all = this.parts.flat();
    this.parts = [];
    this.box.replaceChildren();
    for (const { part, joins } of all) this.put(part, joins);
  }

  /** A sign that closes may stand beyond the room, so that it never draws its word down. */
  measure() {
    const style = getComputedStyle(this.box);
    const sides = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    this.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    this.room = Math.max(0, this.box.clientWidth - sides - parseFloat(style.fontSize));
  }
}

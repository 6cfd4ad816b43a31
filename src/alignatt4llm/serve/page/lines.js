// Lines that roll up: a line is filled before the next begins, and none but the last ever changes.
// The server says where a line may end, after any part of the text; here is how much room there is.

/** The room on a line, and what fits into it; lines of one width share it. */
export class Room {
  /** @param {HTMLElement} box holds lines */
  constructor(box) {
    this.box = box;
    this.ruler = document.createElement("canvas").getContext("2d");
    this.measure();
  }

  /**
   * Look how much room there is; a sign that closes may stand beyond it, so that it never draws its
   * word down.
   * @returns {boolean} whether that has changed
   */
  measure() {
    const style = getComputedStyle(this.box);
    const font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const width = Math.max(0, this.box.clientWidth - parseFloat(style.fontSize));
    const changed = width > 0 && (width !== this.width || font !== this.font);
    if (changed) Object.assign(this, { width, font });
    this.ruler.font = font;
    return changed;
  }

  fits(text) {
    if (!this.width) this.measure(); // it was not shown yet
    return !this.width || this.ruler.measureText(text.trim()).width <= this.width;
  }
}

export class Lines {
  /**
   * @param {HTMLElement} box holds a div a line
   * @param {Room} room
   * @param {number} kept lines that stay at most
   * @param {() => void} rolled is called when a line has begun
   */
  constructor(box, room, kept = Infinity, rolled = () => {}) {
    this.box = box;
    this.room = room;
    this.kept = kept;
    this.rolled = rolled;
    this.parts = []; // of each line: {part, joins}
  }

  /**
   * Add what was said.
   * @param {string[]} parts with the space before each
   * @param {boolean} joins whether the first goes on the last of before
   */
  add(parts, joins) {
    parts.forEach((part, at) => this.put(part, joins && at === 0));
  }

  put(part, joins) {
    const line = this.box.lastElementChild;
    if (line && (joins || this.room.fits(line.textContent + part))) {
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

  /** Lay all lines out anew, since the room has changed. */
  again() {
    const all = this.parts.flat();
    this.parts = [];
    this.box.replaceChildren();
    for (const { part, joins } of all) this.put(part, joins);
  }
}

// What was said in one language, a block an utterance, the original in each.

import { Lines, Room } from "./lines.js";

export class Reader {
  /**
   * @param {HTMLElement} box
   * @param {{code: string, dir: string}} language of the text
   * @param {{code: string, dir: string}} original
   */
  constructor(box, language, original) {
    this.box = box;
    this.original = original;
    Object.assign(box, { lang: language.code, dir: language.dir });
    this.blocks = [];
    this.open = ""; // text of the open utterance
    this.fresh = true; // what comes next begins a block
    this.text = "";
    new ResizeObserver(() => this.again()).observe(box);
  }

  commit({ parts, joins }) {
    if (this.fresh && !(joins && this.blocks.length)) this.begin();
    this.block.lines.add(parts, joins);
    this.open += parts.join("");
    this.block.text += parts.join("");
  }

  /** Text beyond the closed target belongs to the next utterance, and stays where it stands. */
  close({ source, target }) {
    if (!this.blocks.length) this.begin();
    this.block.heard.append(`${source} `);
    this.hear({ committed: "", tail: "" });
    this.open = this.open.trimStart().slice(target.length);
    this.fresh = !this.open.trim();
  }

  /** Show what is heard now, under what is said of it. */
  hear({ committed, tail }) {
    if (this.fresh && (committed || tail)) this.begin();
    if (!this.blocks.length) return;
    this.block.now.textContent = committed && tail ? `${committed} ` : committed;
    this.block.tail.textContent = tail;
  }

  begin() {
    const said = element("div", "said");
    const [heard, now, tail] = ["heard", "now", "tail"].map((name) => element("span", name));
    const original = element("p", "original");
    Object.assign(original, { lang: this.original.code, dir: this.original.dir });
    original.append(heard, now, tail);
    const block = element("section", "block");
    block.append(said, original);
    this.box.append(block);
    this.room ??= new Room(said); // all blocks are as wide
    this.blocks.push({ section: block, lines: new Lines(said, this.room), heard, now, tail, text: "" });
    this.fresh = false;
  }

  get block() {
    return this.blocks.at(-1);
  }

  /** All that was said, a paragraph a block. */
  copied() {
    return this.blocks.map((block) => block.text.trim()).filter(Boolean).join("\n\n");
  }

  /** The page is wider or narrower, or its letters are of another size. */
  again() {
    if (!this.room?.measure()) return;
    for (const { lines } of this.blocks) lines.again();
    this.stand();
  }

  /** Put what is read where it stood. */
  stand() {
    if (this.read) this.box.parentElement.scrollTop += this.top(this.read.block) - this.read.top;
  }

  /** Note the block that is read: it will stand where it stands. */
  note() {
    const block = this.blocks.findLast((one) => this.top(one) <= 0) ?? this.blocks[0];
    this.read = block && { block, top: this.top(block) };
  }

  /** How far below the top of what is seen a block begins. */
  top({ section }) {
    return section.getBoundingClientRect().top - this.box.parentElement.getBoundingClientRect().top;
  }
}

function element(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

// Further languages beside the first: what is said in each, and what is held, dimmed behind it.

export class Beside {
  /** @param {HTMLElement} box is hidden while there are none */
  constructor(box) {
    this.box = box;
    this.columns = new Map();
  }

  /** Show these languages; @param {[string, string][]} languages codes and names */
  restart(languages) {
    this.columns = new Map(languages.map(([code, name]) => [code, column(code, name)]));
    this.box.replaceChildren(...[...this.columns.values()].map(({ section }) => section));
    this.box.hidden = !languages.length;
  }

  /** Take an event of any language. */
  take({ type, to, text, state }) {
    const own = this.columns.get(to);
    if (!own) return;
    if (type === "commit") own.add(text);
    if (type === "close") own.fresh = true;
    if (type === "preview") own.held.textContent = text && ` ${text}`;
    if (type === "commit" || (type === "target" && state === "ended")) own.held.textContent = "";
  }
}

function column(code, name) {
  const [section, title, said, held] = ["section", "h2", "div", "span"].map((tag) =>
    document.createElement(tag));
  title.textContent = name;
  section.setAttribute("aria-label", name);
  said.setAttribute("role", "log");
  held.className = "tail";
  held.setAttribute("aria-hidden", "true");
  said.lang = held.lang = code;
  said.dir = held.dir = "auto";
  section.append(title, said, held);
  const own = { section, held, fresh: true };
  own.add = (text) => {
    const follows = section.scrollHeight - section.scrollTop - section.clientHeight < 60;
    if (own.fresh) said.append(document.createElement("p"));
    said.lastElementChild.append(own.fresh ? text.trimStart() : text);
    own.fresh = false;
    if (follows) section.scrollTop = section.scrollHeight;
  };
  return own;
}

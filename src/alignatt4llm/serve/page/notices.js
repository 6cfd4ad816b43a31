// What one should know about the sound: a line each, until it is dismissed.

export class Notices {
  constructor() {
    this.box = document.getElementById("notices");
    this.restart();
  }

  /** Forget the notices of the session before. */
  restart() {
    this.shown = new Set();
    this.box.replaceChildren();
  }

  /** Show a notice; those of before are told again after a lost connection. */
  take({ kind, text }) {
    const key = `${kind} ${text}`;
    if (this.shown.has(key)) return;
    this.shown.add(key);
    const line = document.createElement("p");
    const said = document.createElement("span");
    said.textContent = text;
    const dismiss = document.createElement("button");
    dismiss.type = "button";
    dismiss.textContent = "×";
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.addEventListener("click", () => line.remove());
    line.append(said, dismiss);
    this.box.append(line);
  }
}

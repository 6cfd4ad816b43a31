// Who reads along: the link for them, how many there are, and whether they can keep up.

const $ = (id) => document.getElementById(id);
const LOCAL = /^(localhost|127\.|\[::1\]$)/;

export class Audience {
  constructor() {
    this.names = new Intl.DisplayNames([navigator.language, "en"], { type: "language" });
    $("copylink").addEventListener("click", () => this.copy());
  }

  /** Show the link of a session. */
  begin(session) {
    const link = new URL(`watch/${session}`, document.baseURI).href;
    $("watch").href = link;
    $("watch").textContent = link.replace(/^https?:\/\//, "");
    $("qr").src = `qr.svg?link=${encodeURIComponent(link)}`;
    $("nearby").hidden = !LOCAL.test(location.hostname);
    $("share").hidden = false;
    this.take({});
  }

  /** Show what a status tells: readers by language, and the speeds at which they must read. */
  take({ listeners = {}, reading = {} }) {
    const counts = Object.entries(listeners);
    $("count").textContent = counts.reduce((sum, [, count]) => sum + count, 0);
    $("listeners").textContent = counts
      .map(([code, count]) => `${this.names.of(code)}: ${count}`)
      .join(", ");
    const fast = Object.entries(reading).filter(([, { speed, most }]) => speed > most);
    $("reading").hidden = !fast.length;
    $("reading").textContent = fast.map((one) => this.warning(one)).join(" ");
  }

  warning([code, { speed, most }]) {
    const told = `${Math.round(speed)} characters a second in ${this.names.of(code)}`;
    return `Too fast to read: ${told}, ${Math.round(most)} can be read. Speak slower.`;
  }

  async copy() {
    const done = await navigator.clipboard?.writeText($("watch").href).then(() => true, () => false);
    if (!done) getSelection().selectAllChildren($("watch"));
    $("copylink").textContent = done ? "Copied" : "Selected";
    setTimeout(() => ($("copylink").textContent = "Copy"), 2000);
  }
}

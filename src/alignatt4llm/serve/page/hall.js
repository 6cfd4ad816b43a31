// Captions for halls and video mixers: the newest lines of one session, as it says them.

import { Feed } from "./feed.js";
import { Lines, Room } from "./lines.js";

const KEPT = 12; // lines in the page at most
const ROLL = 250; // ms in which lines roll up
const asked = new URLSearchParams(location.search);
const root = document.documentElement;
const box = document.getElementById("lines");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

root.dataset.theme = asked.get("theme") ?? "dark";
for (const [name, unit] of [["lines", ""], ["size", "vw"]]) {
  const value = Number(asked.get(name));
  if (value > 0) root.style.setProperty(`--${name}`, `${value}${unit}`);
}

const room = new Room(box);
const lines = new Lines(box, room, Math.max(KEPT, 2 * Number(asked.get("lines"))), () => {
  const from = `translateY(${box.lastElementChild.offsetHeight}px)`;
  if (!calm.matches) box.animate({ transform: [from, "none"] }, ROLL);
});
new ResizeObserver(() => room.measure() && lines.again()).observe(box);

const names = location.pathname.split("/");
const linked = names.at(-1) === "captions"; // .../watch/<session>/captions
const address = new URL(linked ? "events" : `../watch/${names.at(-1)}/events`, location);
if (asked.get("to")) address.searchParams.set("to", asked.get("to"));
const feed = new Feed(address, { recent: 1 });
feed.addEventListener("session", ({ detail }) => {
  const { code, dir } = detail.to.find(({ code }) => code === asked.get("to")) ?? detail.to[0];
  Object.assign(box, { lang: code, dir });
});
feed.addEventListener("commit", ({ detail }) => lines.add(detail.parts, detail.joins));
feed.open();

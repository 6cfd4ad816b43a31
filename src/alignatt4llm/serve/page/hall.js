// Captions for halls and video mixers: the newest lines of one session, as it says them.

const KEPT = 40; // commits in the page at most
const asked = new URLSearchParams(location.search);
const root = document.documentElement;
const lines = document.getElementById("lines");
const line = lines.appendChild(document.createElement("p"));

root.dataset.theme = asked.get("theme") ?? "dark";
for (const [name, unit] of [["lines", ""], ["size", "vw"]]) {
  const value = Number(asked.get(name));
  if (value > 0) root.style.setProperty(`--${name}`, `${value}${unit}`);
}

const feed = new EventSource(location.href);
feed.addEventListener("commit", ({ data }) => {
  line.append(JSON.parse(data).text);
  while (line.childNodes.length > KEPT) line.firstChild.remove();
});

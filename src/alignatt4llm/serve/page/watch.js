// The listener's page: one language of a session at a time, followed live or read from the beginning.

import { Feed } from "./feed.js";
import { Reader } from "./reader.js";
import { choose } from "./theme.js";

const SIZES = [0.7, 0.85, 1, 1.2, 1.45, 1.75, 2.1, 2.6];
const STATES = {
  live: "Live.",
  waiting: "The connection is lost. Trying again…",
  over: "The talk has ended.",
  gone: "This talk is no longer kept here.",
};
const $ = (id) => document.getElementById(id);
const here = `${location.pathname.replace(/\/$/, "").split("/").at(-1)}/`;
const views = new Map(); // by language: {feed, reader, box}
let view = null;
let session = null;
let follows = true;
let stood = 0; // where the text was scrolled to
let news = null; // the next look at what has come

/** Show a language; one that was shown before goes on where it stood. */
function show(code) {
  if (view) {
    view.feed.close();
    view.box.hidden = true;
  }
  if (!views.has(code)) views.set(code, begin(code));
  view = views.get(code);
  view.box.hidden = false;
  tell(view.feed.over ? "over" : "live");
  view.feed.open();
  follow();
}

function begin(code) {
  const box = document.createElement("div");
  box.setAttribute("role", "log");
  $("text").append(box);
  const language = session.to.find((target) => target.code === code);
  const reader = new Reader(box, language, session.from);
  new ResizeObserver(stay).observe(box);
  const feed = open(code);
  feed.addEventListener("session", ({ detail }) => offer(detail));
  for (const [kind, take] of [["commit", "commit"], ["close", "close"], ["source", "hear"]]) {
    feed.addEventListener(kind, ({ detail }) => {
      reader[take](detail);
      stayWithNews();
    });
  }
  feed.addEventListener("state", ({ detail }) => view?.feed === feed && tell(detail));
  return { feed, reader, box };
}

function open(code) {
  const address = new URL(`${here}events`, location);
  if (code) address.searchParams.set("to", code);
  return new Feed(address);
}

/** Learn which languages there are, and begin with the one that suits best. */
function learn() {
  const feed = open("");
  feed.addEventListener("state", ({ detail }) => tell(detail));
  feed.addEventListener("session", ({ detail }) => {
    feed.close();
    offer(detail);
    show($("language").value);
  });
  feed.open();
}

function offer(detail) {
  session = detail;
  const chosen = view ? $("language").value : preferred();
  const options = session.to.map(({ code, name }) => new Option(name, code));
  options.forEach((option) => (option.lang = option.value));
  $("language").replaceChildren(...options);
  $("language").value = chosen;
  $("files").replaceChildren(...session.files.map(download));
}

function preferred() {
  const asked = new URLSearchParams(location.search).get("to");
  const spoken = navigator.languages.map((tag) => tag.split("-")[0]);
  const codes = session.to.map(({ code }) => code);
  const wanted = [asked, localStorage.getItem("to"), ...spoken];
  return wanted.find((code) => codes.includes(code)) ?? codes[0];
}

function download(kind) {
  const anchor = document.createElement("a");
  anchor.dataset.kind = kind;
  anchor.href = `${here}translation.${kind}?to=${$("language").value}`;
  anchor.download = "";
  anchor.textContent = kind.toUpperCase();
  return anchor;
}

function tell(state) {
  document.body.dataset.state = state;
  $("status").textContent = STATES[state];
  $("status").classList.toggle("bad", state === "waiting" || state === "gone");
  $("files").hidden = state !== "over";
  if (state === "over") view?.reader.hear({ committed: "", tail: "" });
}

/** Who scrolls up reads above; text that comes below moves nobody. */
function scrolled() {
  const { scrollTop, scrollHeight, clientHeight } = $("text");
  if (scrollHeight - scrollTop - clientHeight < 40) follows = true;
  else if (scrollTop < stood) follows = false;
  stood = scrollTop;
  if (!follows) view?.reader.note();
  $("now").hidden = follows;
}

function stay() {
  if (!follows) return;
  $("text").scrollTop = $("text").scrollHeight;
  stood = $("text").scrollTop;
}

/** Stay with the newest once all is shown that has come. */
function stayWithNews() {
  news ??= requestAnimationFrame(() => {
    news = null;
    stay();
  });
}

function follow() {
  follows = true;
  $("now").hidden = true;
  stay();
}

function size(step) {
  const kept = Number(localStorage.getItem("size") ?? SIZES.indexOf(1));
  const at = Math.max(0, Math.min(SIZES.length - 1, (Number.isInteger(kept) ? kept : 2) + step));
  localStorage.setItem("size", at);
  document.documentElement.style.setProperty("--size", SIZES[at]);
}

function original(on) {
  document.body.classList.toggle("with-original", on);
  localStorage.setItem("original", on ? "1" : "");
  view?.reader.stand();
  stay();
}

async function copy() {
  const text = view?.reader.copied() ?? "";
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (!done) select();
  $("copy").textContent = done ? "Copied" : "Selected";
  setTimeout(() => ($("copy").textContent = "Copy text"), 2000);
}

/** Without https browsers let no page copy; the reader can. */
function select() {
  getSelection().selectAllChildren(view.box);
}

choose($("theme"));
size(0);
$("original").checked = Boolean(localStorage.getItem("original"));
original($("original").checked);
$("original").addEventListener("change", () => original($("original").checked));
$("smaller").addEventListener("click", () => size(-1));
$("larger").addEventListener("click", () => size(+1));
$("copy").addEventListener("click", copy);
$("now").addEventListener("click", follow);
$("text").addEventListener("scroll", scrolled);
$("language").addEventListener("change", () => {
  localStorage.setItem("to", $("language").value);
  show($("language").value);
  $("files").replaceChildren(...session.files.map(download));
});
new ResizeObserver(stay).observe($("text"));
learn();

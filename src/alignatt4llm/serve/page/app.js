// The page: wires the source, the link, the record and the views together.

import { show } from "./attention.js";
import { Beside } from "./beside.js";
import { Captions } from "./captions.js";
import { Link } from "./link.js";
import { Notices } from "./notices.js";
import { Only } from "./only.js";
import { Record } from "./record.js";
import { open } from "./sound.js";

const $ = (id) => document.getElementById(id);
const record = new Record();
const notices = new Notices();
const beside = new Beside($("beside"));
const captions = new Captions((pieces) => {
  const { utterance } = pieces[0];
  const open_ = utterance === record.open && pieces[0].hold;
  show($("look"), pieces, open_ ? record.frontier : null);
});
let sound = null;
let link = null;
let only = null; // the first language, whose words can be looked at
let separator = " "; // between words of the source

async function prepare() {
  const about = await (await fetch("about")).json();
  const names = new Intl.DisplayNames([navigator.language, "en"], { type: "language" });
  for (const { from, to, separator } of about.pairs) {
    const option = new Option(`${names.of(to)} (${names.of(from)} spoken)`, `${from}-${to}`);
    option.dataset.separator = separator;
    $("pair").append(option);
    $("more").append(new Option(names.of(to), option.value));
  }
  $("pair").addEventListener("change", offer);
  for (const [name, { chunk_s }] of Object.entries(about.latencies)) {
    $("latency").append(new Option(`${name} (${chunk_s} s steps)`, name));
  }
  for (const kind of about.transcripts) $("transcripts").append(download(kind));
  $("latency").value = "medium";
  for (const id of ["pair", "latency", "source"]) remember(id);
  $("file").hidden = $("source").value !== "file";
  offer();
}

/** Offer the other languages that the spoken one can be translated into. */
function offer() {
  const [from] = $("pair").value.split("-");
  for (const option of $("more").options) {
    option.hidden = option.value === $("pair").value || option.value.split("-")[0] !== from;
    option.disabled = option.hidden;
    option.selected &&= !option.hidden;
  }
  $("others").hidden = ![...$("more").options].some((option) => !option.hidden);
}

async function start() {
  const [from, to] = $("pair").value.split("-");
  const kind = $("source").value;
  const [file] = $("file").files;
  if (kind === "file" && !file) return tell("Choose a file, or drop one here.", true);
  $("toggle").disabled = true;
  try {
    sound = await open(kind, file, (bytes) => link?.push(bytes), finish);
  } catch (problem) {
    return tell(problem.message, true);
  } finally {
    $("toggle").disabled = false;
  }
  if (sound.element) $("player").replaceChildren(sound.element);
  record.restart();
  notices.restart();
  captions.newParagraph();
  captions.language(to);
  const more = [...$("more").selectedOptions].map(({ value, text }) => [value.split("-")[1], text]);
  beside.restart(more);
  only = new Only(to);
  $("words").lang = from;
  separator = $("pair").selectedOptions[0].dataset.separator;
  link = new Link({ from, to: [to, ...more.map(([code]) => code)], latency: $("latency").value });
  link.addEventListener("event", ({ detail }) => take(detail));
  link.addEventListener("status", ({ detail }) => measure(detail));
  link.addEventListener("session", ({ detail }) => begin(detail));
  link.addEventListener("state", ({ detail }) => state(detail));
  running(true);
}

/** The source has ended or was stopped: what was heard is translated to its end. */
function finish() {
  sound?.stop();
  sound = null;
  link?.finish();
  $("player").replaceChildren();
  running(false);
}

function begin(session) {
  record.restart();
  only = new Only(only.to);
  for (const anchor of $("transcripts").children) {
    anchor.href = `transcripts/${session}.${anchor.dataset.kind}`;
  }
  $("hall").href = `captions/${session}`;
  $("files").hidden = false;
}

function download(kind) {
  const anchor = document.createElement("a");
  anchor.dataset.kind = kind;
  anchor.download = "";
  anchor.textContent = kind.toUpperCase();
  return anchor;
}

function take(event) {
  if (event.type === "notice") return notices.take(event);
  beside.take(event);
  event = only.take(event);
  if (!event) return;
  captions.add(record.take(event));
  if (event.type === "close" && !record.open.pieces.length) captions.newParagraph();
  captions.hold(record.held);
  showHeard();
}

function showHeard() {
  const before = part("before", record.before);
  $("words").replaceChildren(before, record.committed.join(separator), part("tail", record.tail));
  $("heard").scrollTop = $("heard").scrollHeight;
}

function part(name, words) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = separator + words.join(separator) + separator;
  return span;
}

function measure({ lag_s, rtf, audio_s }) {
  $("lag").textContent = `${lag_s.toFixed(1)} s`;
  $("rtf").textContent = rtf ? rtf.toFixed(2) : "–";
  const minutes = Math.floor(audio_s / 60);
  $("time").textContent = `${minutes}:${String(Math.floor(audio_s % 60)).padStart(2, "0")}`;
}

function state({ name, message }) {
  document.body.dataset.state = name;
  tell(message, name === "failed" || name === "waiting");
  if (name === "failed" || name === "ended") {
    link = null;
    captions.hold([]);
    if (sound) finish();
  }
}

function running(on) {
  $("toggle").textContent = on ? "Stop" : "Start";
  for (const id of ["source", "pair", "more", "latency", "file"]) $(id).disabled = on;
}

function tell(message, bad = false) {
  $("status").textContent = message;
  $("status").classList.toggle("bad", bad);
}

function remember(id) {
  const element = $(id);
  const stored = localStorage.getItem(id);
  if ([...element.options].some((option) => option.value === stored)) element.value = stored;
  element.addEventListener("change", () => localStorage.setItem(id, element.value));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
}

const system = matchMedia("(prefers-color-scheme: dark)");
const wanted = () => localStorage.getItem("theme") ?? (system.matches ? "dark" : "light");
theme(wanted());
system.addEventListener("change", () => theme(wanted()));
$("theme").addEventListener("click", () => {
  localStorage.setItem("theme", wanted() === "dark" ? "light" : "dark");
  theme(wanted());
});
$("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  if (sound) finish();
  else if (link) tell("The last words are still being translated.", true);
  else start();
});
$("source").addEventListener("change", () => ($("file").hidden = $("source").value !== "file"));
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (!event.dataTransfer.files.length || sound || link) return;
  $("file").files = event.dataTransfer.files;
  $("source").value = "file";
  $("file").hidden = false;
  start();
});
addEventListener("beforeunload", (event) => sound && event.preventDefault());
prepare().catch(() => tell("The server cannot be reached; reload the page to try again.", true));

// The attention view: the source words that a chosen word looks at, the frontier, the reason.

const REASONS = {
  peak_inaccessible: "held: it looks most at a word that may still change",
  mass_inaccessible: "held: too much of its attention is on words that may still change",
  source_unseen: "held: it does not look at the source",
  source_copied: "held: so far the source is only repeated",
  nonfinite: "held: its attention could not be read",
  unit_incomplete: "held: the word may not be complete",
  sentence_open: "held: the sentence may go on",
};

/**
 * Show where the pieces of one word look.
 * @param {HTMLElement} box
 * @param {import("./record.js").Piece[]} pieces
 * @param {number | null} frontier accessible words, where that is still open
 */
export function show(box, pieces, frontier) {
  const { utterance, hold } = pieces[0];
  const shares = combined(pieces);
  const word = pieces.map((piece) => piece.text).join("").trim();
  const title = document.createElement("p");
  title.append(strong(`“${word}”`), hold ? ` – ${REASONS[hold] ?? `held: ${hold}`}` : " – said");
  const list = document.createElement("ol");
  utterance.words.forEach((text, index) => {
    if (index === frontier) list.append(mark());
    list.append(item(text, shares.get(index) ?? 0, frontier !== null && index >= frontier), " ");
  });
  if (frontier === utterance.words.length) list.append(mark());
  const where = [...shares].filter(([index]) => utterance.words[index]);
  const told = document.createElement("p");
  told.className = "hint";
  told.textContent = where.length
    ? `Looks at ${where.map(([i, share]) => `${utterance.words[i]} ${percent(share)}`).join(", ")}.`
    : "Where it looks is not known.";
  box.replaceChildren(title, list, told);
}

function combined(pieces) {
  const sums = new Map();
  for (const { sources } of pieces) {
    for (const [word, share] of sources) sums.set(word, (sums.get(word) ?? 0) + share);
  }
  const mean = [...sums].map(([word, sum]) => [word, sum / pieces.length]);
  return new Map(mean.sort((one, other) => other[1] - one[1]));
}

function item(text, share, inaccessible) {
  const element = document.createElement("li");
  element.style.setProperty("--share", (share * 0.75).toFixed(2));
  element.textContent = text;
  if (inaccessible) element.className = "inaccessible";
  if (share) {
    const number = document.createElement("b");
    number.textContent = ` ${percent(share)}`;
    element.append(number);
  }
  return element;
}

function mark() {
  const element = document.createElement("li");
  element.className = "frontier";
  element.setAttribute("aria-label", "frontier: words from here on may still change");
  return element;
}

function strong(text) {
  const element = document.createElement("strong");
  element.textContent = text;
  return element;
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}

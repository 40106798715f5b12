// A traced visit: a byte that is chosen says what it is, from the outside in, and shows which other bytes belong to it. Without this
// file each byte leads to its row in the table of fields.
"use strict";

const ROW = 16;
const frames = document.getElementById("frames");
const what = document.getElementById("what");
const pieces = [...frames.querySelectorAll(".piece[data-field]")];
let current = pieces[0];

function row(number) {
  return document.getElementById(`f${number}`);
}

// The fields that a field is in, the outermost first, and itself.
function chain(number) {
  const found = [];
  for (let place = row(number); place; place = place.dataset.up ? row(place.dataset.up) : null) found.unshift(place);
  return found;
}

function holds(number, piece) {
  return chain(piece.dataset.field).some((one) => one.id === `f${number}`);
}

function entry(place, number) {
  const made = document.createElement("li");
  const choose = document.createElement("button");
  const [offset, length, layer, , value] = [...place.cells].map((cell) => cell.textContent.trim());
  choose.type = "button";
  choose.className = `piece ${place.dataset.group}`;
  choose.textContent = place.cells[3].textContent.replace(/^(· )+/, "");
  choose.setAttribute("aria-pressed", String(place.id === `f${number}`));
  choose.addEventListener("click", () => mark(place.id.slice(1)));
  made.append(choose, ` ${value} `);
  const more = document.createElement("span");
  more.className = "faint";
  more.textContent = `${layer} ${offset}+${length}`;
  made.append(more);
  return made;
}

function mark(number) {
  for (const piece of pieces) piece.classList.toggle("held", holds(number, piece));
  for (const one of what.querySelectorAll("button")) one.setAttribute("aria-pressed", "false");
  const place = row(number);
  const entries = [...what.querySelectorAll("li")];
  const at = chain(current.dataset.field).indexOf(place);
  if (entries[at]) entries[at].querySelector("button").setAttribute("aria-pressed", "true");
}

function choose(piece) {
  current.tabIndex = -1;
  current = piece;
  current.tabIndex = 0;
  const number = piece.dataset.field;
  const title = what.querySelector("[data-at-text]");
  title.textContent = `${title.dataset.atText} ${piece.dataset.at}`;
  what.querySelector("ol").replaceChildren(...chain(number).map((place) => entry(place, number)));
  what.hidden = false;
  mark(number);
}

function beside(piece, key) {
  const at = pieces.indexOf(piece);
  const offset = Number(piece.dataset.at);
  if (key === "ArrowRight") return pieces[at + 1];
  if (key === "ArrowLeft") return pieces[at - 1];
  if (key === "Home") return pieces[0];
  if (key === "End") return pieces[pieces.length - 1];
  const dump = piece.closest(".dump");
  const there = (one) => one.closest(".dump") === dump;
  if (key === "ArrowDown") return pieces.slice(at + 1).find((one) => !there(one) || Number(one.dataset.at) >= offset + ROW);
  return pieces.slice(0, at).reverse().find((one) => !there(one) || Number(one.dataset.at) <= offset - ROW);
}

if (current) {
  for (const piece of pieces) {
    piece.tabIndex = -1;
    piece.setAttribute("role", "button");
  }
  current.tabIndex = 0;
  frames.addEventListener("click", (event) => {
    const piece = event.target.closest(".piece[data-field]");
    if (!piece) return;
    event.preventDefault();
    choose(piece);
    piece.focus();
  });
  frames.addEventListener("keydown", (event) => {
    if (!["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End", "Enter", " "].includes(event.key)) return;
    const piece = event.target.closest(".piece[data-field]");
    if (!piece) return;
    event.preventDefault();
    const next = event.key === "Enter" || event.key === " " ? piece : beside(piece, event.key);
    if (!next) return;
    choose(next);
    next.focus();
  });
}

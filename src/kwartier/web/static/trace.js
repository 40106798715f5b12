// A traced visit: a byte that is chosen says what it is, from the outside in, and shows which other bytes belong to it. Without this
// file each byte leads to its row in the table of fields.
"use strict";

const MANY = 32; // Rows that are looked at to know how wide a row is.
const frames = document.getElementById("frames");
const what = document.getElementById("what");
const cells = []; // The bytes that are something, in order: { cell, piece, field, at, dump }.
const places = new Map(); // Where in `cells` an element is.
const chains = new Map(); // The fields that a field is in, the outermost first, and itself.
let current = null;
let held = [];

function row(number) {
  return document.getElementById(`f${number}`);
}

function chain(number) {
  if (!chains.has(number)) {
    const above = row(number).dataset.up;
    chains.set(number, above === undefined ? [number] : [...chain(above), number]);
  }
  return chains.get(number);
}

// A grid of which one byte at a time is on the way of Tab; what were links is told by the panel beside it.
function prepare(dump) {
  dump.setAttribute("role", "grid");
  dump.setAttribute("aria-readonly", "true");
  for (const one of dump.querySelectorAll(".octets")) one.setAttribute("role", "row");
  for (const one of dump.querySelectorAll(".offset")) one.setAttribute("role", "rowheader");
  for (const piece of dump.querySelectorAll(".piece")) {
    piece.removeAttribute("href");
    [...piece.children].forEach((cell, nth) => {
      cell.setAttribute("role", "gridcell");
      if (piece.dataset.field === undefined) return;
      cell.tabIndex = -1;
      places.set(cell, cells.length);
      cells.push({ cell, piece, field: piece.dataset.field, at: Number(piece.dataset.at) + nth, dump });
    });
  }
}

function filled(pattern, values) {
  return pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function english(text) {
  const made = document.createElement("span");
  made.lang = "en";
  made.textContent = text;
  return made;
}

function facts(number) {
  const place = row(number);
  const [at, length, layer, indented, said] = [...place.cells].map((cell) => cell.textContent.trim());
  const name = indented.replace(/^(· )+/, "");
  const value = said === `${length} bytes` ? "" : said.startsWith(`${name} `) ? said.slice(name.length + 1) : said;
  return { at, length, layer, name, value: value === "**" ? what.dataset.hidden : value, group: place.dataset.group };
}

function entry(number) {
  const known = facts(number);
  const made = document.createElement("li");
  const choose = document.createElement("button");
  choose.type = "button";
  choose.className = `piece ${known.group}`;
  choose.dataset.of = number;
  choose.append(english(known.name));
  choose.addEventListener("click", () => mark(number));
  const more = document.createElement("span");
  more.className = "faint";
  more.append(`${known.layer} · ${filled(what.dataset.place, known)}`);
  made.append(choose, known.value, more);
  return made;
}

function mark(number) {
  for (const piece of held) piece.classList.remove("held");
  held = [...new Set(cells.filter((one) => chain(one.field).includes(number)).map((one) => one.piece))];
  for (const piece of held) piece.classList.add("held");
  for (const one of what.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.dataset.of === number));
}

function choose(one) {
  if (current) {
    current.cell.tabIndex = -1;
    current.cell.removeAttribute("aria-selected");
  }
  current = one;
  one.cell.tabIndex = 0;
  one.cell.setAttribute("aria-selected", "true");
  const known = facts(one.field);
  const title = document.createElement("strong");
  title.textContent = filled(what.dataset.at, one);
  const octet = one.piece.classList.contains("masked") ? "" : `${one.cell.textContent} – `;
  what.querySelector("[aria-live]").replaceChildren(title, ` ${octet}`, english(known.name), ` ${known.value}`);
  what.querySelector("ol").replaceChildren(...chain(one.field).map(entry));
  mark(one.field);
  one.cell.focus();
}

// How many bytes a row has on this screen: those of a row that are as high as its first.
function width() {
  const rows = [...frames.querySelectorAll(".octets")].slice(0, MANY).map((one) => [...one.querySelectorAll(".piece > span")]);
  return Math.max(1, ...rows.map((all) => all.filter((one) => one.offsetTop === all[0].offsetTop).length));
}

function below(place) {
  const { at, dump } = cells[place];
  const wide = width();
  let next = place + 1;
  while (next < cells.length && cells[next].dump === dump && cells[next].at < at + wide) next += 1;
  const last = cells[next - 1];
  const isInside = next < cells.length && cells[next].dump === dump;
  return !isInside && last.dump === dump && last.cell.offsetTop > cells[place].cell.offsetTop ? next - 1 : next;
}

function above(place) {
  const { at, dump } = cells[place];
  const wide = width();
  let next = place - 1;
  while (next >= 0 && cells[next].dump === dump && cells[next].at > at - wide) next -= 1;
  return next;
}

// The first or the last byte of the row that is seen.
function edge(place, step) {
  const { dump, cell } = cells[place];
  let next = place;
  while (cells[next + step]?.dump === dump && cells[next + step].cell.offsetTop === cell.offsetTop) next += step;
  return next;
}

// The first byte of the frame before or after, or of what was deciphered of one.
function leaf(place, step) {
  const dumps = [...new Set(cells.map((one) => one.dump))];
  const wanted = dumps[dumps.indexOf(cells[place].dump) + step];
  return cells.findIndex((one) => one.dump === wanted);
}

const KEYS = {
  ArrowRight: (place) => place + 1,
  ArrowLeft: (place) => place - 1,
  ArrowDown: below,
  ArrowUp: above,
  Home: (place, all) => (all ? 0 : edge(place, -1)),
  End: (place, all) => (all ? cells.length - 1 : edge(place, 1)),
  PageDown: (place) => leaf(place, 1),
  PageUp: (place) => leaf(place, -1),
  Enter: (place) => place,
  " ": (place) => place,
};

function here(event) {
  return places.get(event.target.closest(".piece > span"));
}

frames.querySelectorAll(".dump").forEach(prepare);
document.getElementById("fields").open = false;
if (cells.length) {
  cells[0].cell.tabIndex = 0;
  what.hidden = false;
  frames.addEventListener("click", (event) => {
    const place = here(event);
    if (place !== undefined) choose(cells[place]);
  });
  frames.addEventListener("keydown", (event) => {
    const place = here(event);
    const go = KEYS[event.key];
    if (place === undefined || !go || event.altKey || event.metaKey) return;
    event.preventDefault();
    const next = cells[go(place, event.ctrlKey)];
    if (next) choose(next);
  });
}

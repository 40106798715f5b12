// The lists and drawings of the page of a night, made anew from each event. A row is made from the `template` of its list, which is
// the same pattern that the server has filled: `data-of` names a fact, `data-word` the words it is said in, `data-class` a class.
"use strict";

function word(kind, name) {
  const found = document.querySelector(`#words data[value="${CSS.escape(`${kind}.${name}`)}"]`);
  return found ? found.textContent : name;
}

function filled(pattern, facts) {
  const made = pattern.content.firstElementChild.cloneNode(true);
  for (const place of [made, ...made.querySelectorAll("[data-of], [data-class]")]) {
    const { of, empty, word: kind, class: named } = place.dataset;
    if (named) place.classList.add(facts[named]);
    if (!of) continue;
    const found = facts[of] === "" && empty ? empty : facts[of];
    place.textContent = kind ? word(kind, found) : of === "pid" ? String(found) : written(found);
  }
  return made;
}

function list(place, rows) {
  const pattern = place.querySelector("template");
  place.replaceChildren(pattern, ...rows.map((facts) => filled(pattern, facts)));
}

function line(place, points) {
  const text = points.join(" ");
  if (place.getAttribute("points") !== text) place.setAttribute("points", text);
}

function course(drawing, facts) {
  const due = facts.totals.due;
  const steps = facts.course;
  drawing.setAttribute("viewBox", `0 0 ${Math.max(1, steps.length - 1)} ${Math.max(1, due)}`);
  line(drawing.querySelector(".line-planned"), steps.map((one, at) => `${at},${due - one.planned}`));
  const done = steps.flatMap((one, at) => (one.done === null ? [] : [`${at},${due - one.done}`]));
  line(drawing.querySelector(".line-done"), done);
}

function bar(drawing, kind, at, top, height) {
  const made = document.createElementNS(drawing.namespaceURI, "rect");
  const where = { class: kind, x: at + 0.1, y: top, width: 0.8, height };
  for (const [name, found] of Object.entries(where)) made.setAttribute(name, String(found));
  return made;
}

function minutes(drawing, facts) {
  const most = Math.max(1, ...facts.minutes.map((one) => one.stored + one.missed));
  drawing.setAttribute("viewBox", `0 0 ${Math.max(1, facts.minutes.length)} ${most}`);
  const bars = facts.minutes.flatMap((one, at) => [
    bar(drawing, "bar-stored", at, most - one.stored, one.stored),
    bar(drawing, "bar-missed", at, most - one.stored - one.missed, one.missed),
  ]);
  drawing.replaceChildren(...bars);
  const figure = drawing.closest("figure");
  figure.querySelector("[data-peak]").textContent = written(most);
  figure.querySelector("[data-end=first]").textContent = facts.minutes[0].begins;
  figure.querySelector("[data-end=last]").textContent = facts.minutes[facts.minutes.length - 1].begins;
}

// What somebody may do changes when a night begins and when it ends, and depends on who they are: the server is asked again.
async function renew(part, standing) {
  part.dataset.was = standing;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("tonight");
  if (!fresh) return;
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  part.replaceChildren(...fresh.childNodes);
  part.querySelectorAll("details").forEach((one, at) => { one.open = Boolean(open[at]); });
}

function spelled(is) {
  return is ? "True" : "False";
}

document.addEventListener("kwartier:fact", (event) => {
  const facts = event.detail;
  const part = event.target;
  if (facts.error) return;
  const standing = `${spelled(facts.planned)} ${spelled(facts.running)}`;
  if (part.dataset.was !== standing) renew(part, standing);
  for (const place of part.querySelectorAll("[data-rows]")) list(place, facts[place.dataset.rows]);
  for (const place of part.querySelectorAll("[data-none]")) place.hidden = facts[place.dataset.none].length > 0;
  for (const place of part.querySelectorAll("[data-some]")) place.hidden = facts[place.dataset.some].length === 0;
  course(part.querySelector("[data-drawn=course]"), facts);
  minutes(part.querySelector("[data-drawn=minutes]"), facts);
});

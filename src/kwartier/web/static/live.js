// Live parts of a page: `data-live` names a stream of events, `data-topic` what it tells. Each element in it with `data-fact`
// (names with points: coverage.installed) gets the newest value as text. Whoever needs more listens to `kwartier:fact`.
"use strict";

function value(facts, name) {
  return name.split(".").reduce((found, part) => (found === null || found === undefined ? found : found[part]), facts);
}

// As `number` and `share` of rendering.py write it, so that nothing changes its looks with the first event.
function written(found, form) {
  if (found === null || found === undefined) return "–";
  if (form === "share") {
    const tenths = Math.floor(found * 1000 + 1e-9);
    const point = document.documentElement.lang === "nl" ? "," : ".";
    return `${Math.floor(tenths / 10)}${point}${tenths % 10}\u202f%`;
  }
  return typeof found === "number" ? String(found).replace(/\B(?=(\d{3})+$)/g, "\u202f") : String(found);
}

function listen(part) {
  const events = new EventSource(part.dataset.live);
  events.addEventListener(part.dataset.topic, (event) => {
    const facts = JSON.parse(event.data);
    for (const place of part.querySelectorAll("[data-fact]")) {
      const text = written(value(facts, place.dataset.fact), place.dataset.form);
      if (place.textContent !== text) place.textContent = text;
    }
    part.dispatchEvent(new CustomEvent("kwartier:fact", { bubbles: true, detail: facts }));
  });
  events.addEventListener("end", () => events.close());
}

document.addEventListener("DOMContentLoaded", () => {
  for (const part of document.querySelectorAll("[data-live]")) listen(part);
});

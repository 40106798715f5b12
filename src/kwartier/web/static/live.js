// Live parts of a page: `data-live` names a stream of events, `data-topic` what it tells. Each element in it with `data-fact`
// (names with points: coverage.installed) gets the newest value as text. Whoever needs more listens to `kwartier:fact`.
"use strict";

function value(facts, name) {
  return name.split(".").reduce((found, part) => (found === null || found === undefined ? found : found[part]), facts);
}

function written(found, form) {
  const language = document.documentElement.lang;
  if (found === null || found === undefined) return "–";
  if (form === "share") {
    const down = Math.floor(found * 1000 + 1e-9) / 1000;
    return new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1 }).format(down);
  }
  return typeof found === "number" ? new Intl.NumberFormat(language).format(found) : String(found);
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

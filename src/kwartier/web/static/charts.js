// Charts: a figure is fetched from the address in `data-chart` and drawn in the colours of the page.
// A figure is {data, layout} as plotly takes it; a colour is written "var(--measured)" and looked up here, so that it is the
// same as everywhere else, by day and by night. Nothing is drawn of what cannot be fetched: the reason stands there instead.
"use strict";

const DRAWN = new Map();

function coloured(value, style) {
  if (typeof value === "string") {
    const named = /^var\((--[a-z-]+)\)$/.exec(value);
    return named ? style.getPropertyValue(named[1]).trim() : value;
  }
  if (Array.isArray(value)) return value.map((one) => coloured(one, style));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, coloured(one, style)]));
  }
  return value;
}

function draw(place, figure) {
  const style = getComputedStyle(document.documentElement);
  const ground = { paper_bgcolor: "var(--paper)", plot_bgcolor: "var(--paper)", font: { color: "var(--text)" } };
  const axis = { gridcolor: "var(--line)", zerolinecolor: "var(--faint)" };
  const given = figure.layout || {};
  const layout = { margin: { t: 16, r: 16 }, ...ground, ...given };
  layout.xaxis = { ...axis, ...given.xaxis };
  layout.yaxis = { ...axis, ...given.yaxis };
  const config = { displaylogo: false, responsive: true, displayModeBar: false };
  Plotly.react(place, coloured(figure.data, style), coloured(layout, style), config);
}

async function load(place) {
  const answer = await fetch(place.dataset.chart, { headers: { accept: "application/json" } });
  const found = await answer.json();
  if (!answer.ok) {
    place.textContent = `${found.detail} [${found.code}]`;
    return;
  }
  const figure = found.figure || found;
  DRAWN.set(place, figure);
  draw(place, figure);
}

function redraw() {
  for (const [place, figure] of DRAWN) draw(place, figure);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("[data-chart]")) load(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
});

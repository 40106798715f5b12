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

// What local clocks showed at each quarter is said once for all series. A line has its opening besides.
function told(trace, quarters) {
  if (!quarters || !trace.hovertemplate) return trace;
  return { ...trace, hovertext: trace.y.length > quarters.length ? [quarters[0], ...quarters] : quarters };
}

function draw(place, figure) {
  const style = getComputedStyle(document.documentElement);
  const ground = { paper_bgcolor: "var(--paper)", plot_bgcolor: "var(--paper)", font: { color: "var(--text)" } };
  const axis = { gridcolor: "var(--line)", zerolinecolor: "var(--faint)" };
  const given = figure.layout || {};
  const layout = { margin: { t: 16, r: 16 }, ...ground, ...given };
  layout.xaxis = { ...axis, ...given.xaxis };
  layout.yaxis = { ...axis, ...given.yaxis };
  const data = figure.data.map((trace) => told(trace, figure.quarters));
  const config = { displaylogo: false, responsive: true, displayModeBar: false };
  Plotly.react(place, coloured(data, style), coloured(layout, style), config);
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

function shown(place) {
  const figure = JSON.parse(place.dataset.figure);
  delete place.dataset.figure;
  DRAWN.set(place, figure);
  draw(place, figure);
}

// Paper is white, and as wide as paper is.
const PAPER_WIDTH = 680;
let theme = "";

function onPaper() {
  const root = document.documentElement;
  theme = root.dataset.theme;
  root.dataset.theme = "light";
  for (const [place, figure] of DRAWN) draw(place, { ...figure, layout: { ...figure.layout, width: PAPER_WIDTH } });
}

function onScreen() {
  document.documentElement.dataset.theme = theme;
  redraw();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("[data-chart]")) load(place);
  for (const place of document.querySelectorAll("[data-figure]")) shown(place);
  addEventListener("beforeprint", onPaper);
  addEventListener("afterprint", onScreen);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
});

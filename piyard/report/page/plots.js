// What all charts share: colours, the look, and text that Plotly may not take for markup.

const LIGHT = { ink: "#1b2129", soft: "#5a6572", line: "#d9dee5", bad: "#c02a2a", warn: "#c77700",
  boards: ["#0072b2", "#d55e00", "#009e73", "#a6569b", "#8a6d00", "#56789a", "#33a1c9", "#7a4a2b"] };
const DARK = { ink: "#e4e9ef", soft: "#9aa7b5", line: "#313a45", bad: "#ff8a80", warn: "#f0b354",
  boards: ["#56b4e9", "#ff9d57", "#3fd0a4", "#e0a1d5", "#e2c94d", "#9fb8d1", "#7fdcff", "#c99a77"] };
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "star", "cross", "hexagon", "x"];
const darkScreen = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function colours() {
  return darkScreen.matches && !printing ? DARK : LIGHT;
}

function colourOf(host) {
  const all = colours().boards;
  return all[BOARDS.indexOf(host) % all.length];
}

function symbolOf(host) {
  return SYMBOLS[BOARDS.indexOf(host) % SYMBOLS.length];
}

// Plotly reads <b>, <a> and entities in its texts; here they are what somebody called a thing.
function literal(text) {
  return String(text).replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`).replace(/\s+/g, " ");
}

function cut(text, most) {
  const letters = [...text];
  return literal(letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text);
}

function axis(more) {
  const look = colours();
  return { gridcolor: look.line, linecolor: look.line, zeroline: false, automargin: true, tickfont: { size: 11 }, ...more };
}

// Milliseconds along the chart; on a logarithmic scale labelled at 1, 2 and 5 only.
function times(values, what) {
  const wide = wideApart(values);
  if (!wide) return axis({ title: title(what), nticks: 8 });
  const first = Math.floor(Math.log10(Math.min(...values))), last = Math.ceil(Math.log10(Math.max(...values)));
  const tickvals = Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at)).flatMap((ten) => [ten, 2 * ten, 5 * ten]);
  return axis({ title: title(`${what}, logarithmic`), type: "log", tickvals, ticktext: tickvals.map((ms) => String(Number(ms.toPrecision(1)))) });
}

function title(text) {
  return { text, font: { size: 12 }, standoff: 8 };
}

// Rows down the chart, the first at the top, each on a line of its own.
function lines(labels) {
  return axis({
    tickvals: labels.map((_, at) => at), ticktext: labels, range: [labels.length - 0.4, -0.6], showgrid: false,
  });
}

function draw(figure, traces, layout) {
  const look = colours();
  figure.querySelector(".chart").hidden = false;
  const base = {
    font: { family: "system-ui, Roboto, Liberation Sans, sans-serif", size: 12, color: look.ink },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 12, t: 8, b: 8 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 } },
    hoverlabel: { align: "left" }, dragmode: false, ...layout,
  };
  const config = { responsive: true, displaylogo: false, displayModeBar: false, showTips: false };
  Plotly.react(figure.querySelector(".chart"), traces, base, config);
}

function caption(figure, ...sentences) {
  figure.querySelector("figcaption").textContent = sentences.filter(Boolean).join(" ");
}

function empty(figure, ...why) {
  const chart = figure.querySelector(".chart");
  Plotly.purge(chart);
  chart.hidden = true;
  caption(figure, ...why);
}

// Why a chart is empty: what it lacks is only true of rows that were looked at.
function lacking(good, why) {
  return good.length ? why : "There is no row here that may be believed.";
}

// Needs one scale for all: a linear one would press the quick rows together.
function wideApart(values) {
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 5;
}

// Times of emulated boards stay out where a real board is among the rows.
function real(entries) {
  const pis = entries.filter((entry) => !entry.row.emulated);
  if (!pis.length && entries.length) return [entries, "Emulated boards only: not a Pi's times."];
  const out = entries.length - pis.length;
  return [pis, out ? `${counted(out, "emulated row")} left out.` : ""];
}

function isInvalid({ row }) {
  return row.verdict.state === "INVALID" || row.verdict.reasons.some(({ grade }) => grade === "INVALID");
}

function believable(entries) {
  const good = entries.filter((entry) => entry.newest && !isInvalid(entry));
  const out = entries.filter((entry) => entry.newest).length - good.length;
  return [good, out ? `${counted(out, "INVALID row")} left out.` : ""];
}

// The four charts. Each takes the rows that match the filters, in the table's order.

const MOST_SHOWN = 24;
const OFF = 0.15; // the same bar as for published figures

function drawLatency(entries) {
  const figure = byId("latency"), look = colours(), relative = byId("scale").value === "%";
  const [there, emulated] = real(entries), told = there.filter((entry) => entry.samples.length);
  const shown = told.slice(0, MOST_SHOWN);
  if (!shown.length) return empty(figure, "None of these rows brings its samples.", emulated);
  const labels = shown.map(({ row }) => rowLabel(row));
  const traces = shown.map((entry, at) => {
    const { row, samples } = entry, bad = isInvalid(entry);
    const colour = bad ? look.bad : colourOf(row.host);
    return {
      type: "violin", orientation: "h", y0: at, width: 0.85, name: literal(`${jobName(entry)} on ${row.host}`),
      x: relative ? samples.map((ms) => 100 * ms / row.summary.median) : samples,
      spanmode: "hard", points: "outliers", pointpos: 0, jitter: 0.3, marker: { size: 3, color: colour, opacity: 0.6 },
      line: { color: colour, width: 1.2 }, fillcolor: `${colour}33`, box: { visible: true, width: 0.25 },
      hoverinfo: "x", hoveron: "points+kde", showlegend: false,
    };
  });
  const ends = shown.flatMap(({ row }) => [row.summary.min, row.summary.max]);
  draw(figure, traces, { height: 90 + 44 * shown.length, violingap: 0, yaxis: lines(labels),
    xaxis: relative ? axis({ title: title("% of the row's median"), nticks: 8 }) : times(ends, "ms") });
  const some = told.length > shown.length ? `The first ${shown.length} of ${told.length}: filter or sort to see others.` : "";
  const thinned = shown.some((entry) => entry.every > 1) ? "Rows of more than a thousand samples show evenly spaced ones." : "";
  caption(figure, "Width is how often a time occurred, the box holds the middle half.", some, thinned, emulated);
}

function rowLabel(row) {
  const state = row.verdict.state === "INVALID" ? "INVALID · " : row.verdict.state === "SUSPECT" ? "SUSPECT · " : "";
  return `${cut(`${row.title} ${row.data_type} ${row.threads}T`, 26)}<br>${cut(`${state}${row.host}`, 26)}`;
}

function drawFleet(entries) {
  const figure = byId("fleet"), [there, emulated] = real(entries), [good, invalid] = believable(there);
  const jobs = shared(good);
  if (!jobs.length) return empty(figure, lacking(good, "No job has a row from two boards here."), emulated, invalid);
  const hosts = [...new Set(jobs.flat().map(({ row }) => row.host))];
  const traces = hosts.map((host) => onBoard(host, hosts, jobs));
  const off = jobs.flatMap((job, line) => outliers(job).map((found) => ({ ...found, line })));
  if (off.length) traces.push(marked(off, hosts));
  draw(figure, traces, { height: 120 + 34 * jobs.length + 14 * hosts.length,
    yaxis: lines(jobs.map(([first]) => cut(jobName(first), 30))),
    xaxis: times(jobs.flat().map(({ row }) => row.summary.median), "median, ms") });
  const told = off.map(({ entry, apart }) =>
    `${entry.row.host} is ${Math.round(Math.abs(apart) * 100)} % ${apart > 0 ? "slower" : "quicker"} than its like in ${jobName(entry)}.`);
  caption(figure, "Bars are 95 % intervals of the median.", ...told, emulated, invalid);
}

// Rows of the same job, where at least two boards have it.
function shared(entries) {
  const jobs = new Map();
  for (const entry of entries) {
    const { row } = entry, name = JSON.stringify([row.model, row.data_type, row.threads]);
    jobs.set(name, [...(jobs.get(name) ?? []), entry]);
  }
  return [...jobs.values()].filter((job) => new Set(job.map(({ row }) => row.host)).size > 1);
}

function lineOf(line, host, hosts) {
  return line + (hosts.indexOf(host) - (hosts.length - 1) / 2) * Math.min(0.18, 0.7 / hosts.length);
}

function onBoard(host, hosts, jobs) {
  const here = jobs.flatMap((job, line) => job.filter(({ row }) => row.host === host).map((entry) => ({ entry, line })));
  const { row } = here[0].entry, of = (name) => here.map(({ entry }) => entry.row.summary[name]);
  const median = of("median");
  return {
    type: "scatter", mode: "markers", name: cut(`${host} (${row.hardware})`, 44), x: median,
    y: here.map(({ line }) => lineOf(line, host, hosts)),
    error_x: { type: "data", symmetric: false, array: of("high").map((high, at) => high - median[at]),
      arrayminus: of("low").map((low, at) => median[at] - low), thickness: 1.5, width: 3 },
    marker: { size: 9, color: colourOf(host), symbol: symbolOf(host) },
    text: here.map(({ entry }) => literal(`${jobName(entry)} on ${host}: ${entry.cells.latency} ms`)), hoverinfo: "text",
  };
}

// Of boards of one kind, at least three: who is further than OFF from their middle.
function outliers(job) {
  return job.flatMap((entry) => {
    const like = job.filter(({ row }) => row.target === entry.row.target).map(({ row }) => row.summary.median);
    const apart = entry.row.summary.median / middle(like) - 1;
    return like.length > 2 && Math.abs(apart) > OFF ? [{ entry, apart }] : [];
  });
}

function middle(values) {
  const ordered = [...values].sort((a, b) => a - b), half = Math.floor(ordered.length / 2);
  return ordered.length % 2 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
}

function marked(off, hosts) {
  return {
    type: "scatter", mode: "markers+text", name: "outlier", showlegend: false, hoverinfo: "skip",
    x: off.map(({ entry }) => entry.row.summary.median), y: off.map(({ entry, line }) => lineOf(line, entry.row.host, hosts)),
    text: off.map(({ apart }) => `${apart > 0 ? "+" : "−"}${Math.round(Math.abs(apart) * 100)} %`),
    textposition: "bottom center", textfont: { color: colours().bad },
    marker: { size: 17, symbol: "circle-open", color: colours().bad, line: { width: 2 } },
  };
}

function drawAccuracy(entries) {
  const figure = byId("accuracy"), [there, emulated] = real(entries), [good, invalid] = believable(there);
  const known = good.filter((entry) => entry.accuracy !== null);
  if (!known.length) return empty(figure, lacking(good, "None of these rows has an accuracy."), emulated, invalid);
  const kinds = [...new Set(known.map(kindOf))];
  const traces = kinds.flatMap((kind, at) => cloud(known.filter((entry) => kindOf(entry) === kind), kind, at));
  const measures = [...new Set(known.map(({ measure }) => measure))];
  draw(figure, traces, { height: 380,
    xaxis: times(known.map(({ row }) => row.summary.median), "median, ms"),
    yaxis: axis({ title: title(measures.length > 1 ? "accuracy" : `accuracy, ${literal(measures[0])}`) }) });
  caption(figure, "The line joins rows that no other beats in both, for each kind of board and of accuracy.", emulated, invalid);
}

function kindOf({ row, measure }) {
  return measure ? `${row.hardware}, ${measure}` : row.hardware;
}

function cloud(entries, kind, number) {
  const all = colours().boards, color = all[number % all.length], best = front(entries);
  const at = (of) => ({ x: of.map(({ row }) => row.summary.median), y: of.map(({ accuracy }) => accuracy) });
  const texts = entries.map((entry) => literal(`${jobName(entry)} on ${entry.row.host}: ${entry.cells.latency} ms, ${entry.cells.accuracy}`));
  return [
    { type: "scatter", mode: "lines", ...at(best), line: { shape: "hv", width: 1.5, color, dash: "dot" },
      name: "Pareto line", showlegend: false, hoverinfo: "skip" },
    { type: "scatter", mode: "markers+text", ...at(entries), name: cut(kind, 44), hovertext: texts, hoverinfo: "text",
      text: entries.map((entry) => best.includes(entry) ? cut(entry.row.title, 20) : ""), textposition: "bottom right",
      textfont: { size: 10, color: colours().soft }, marker: { size: 9, color, symbol: SYMBOLS[number % SYMBOLS.length] } },
  ];
}

// Quicker first; each that is more accurate than all quicker ones.
function front(entries) {
  let best = -Infinity;
  return [...entries]
    .sort((a, b) => a.row.summary.median - b.row.summary.median || b.accuracy - a.accuracy)
    .filter(({ accuracy }) => accuracy > best && ((best = accuracy), true));
}

// What happens when: filling the page, and following the filters.

let pending = 0;

function summary() {
  const boards = new Map(ENTRIES.map(({ row }) => [row.host, row.hardware]));
  const named = [...boards].slice(0, 8).map(([host, hardware]) => `${host} (${hardware})`);
  const rest = boards.size > 8 ? ` and ${boards.size - 8} more` : "";
  const whens = ENTRIES.map(({ row }) => row.when).sort();
  const day = (when) => when.slice(0, 16).replace("T", " ");
  const span = whens.length ? `, measured ${day(whens[0])} to ${day(whens.at(-1))} UTC` : "";
  byId("summary").textContent = `${counted(ENTRIES.length, "row")} from ${counted(boards.size, "board")}: ` +
    `${named.join(", ")}${rest}${span}. Page made ${day(DATA.created)} UTC.`;
  byId("tally").replaceChildren(...VERDICTS.map((verdict) => [verdict, ENTRIES.filter((e) => e.row.verdict.state === verdict).length])
    .filter(([, number]) => number).map(([verdict, number]) => badge(verdict, `${number} ${verdict}`)));
  byId("notes").textContent = DATA.without_samples
    ? `${counted(DATA.without_samples, "row")} without samples, to keep the page small: only the newest of each job brings them.` : "";
}

const CHARTS = { latency: drawLatency, run: drawRun, fleet: drawFleet, accuracy: drawAccuracy };
const stale = new Set();
const near = new Set();

// A chart is drawn when it is looked at: a phone need not draw four for a table.
function drawStale(ids = near) {
  for (const id of [...stale].filter((id) => ids.has(id))) {
    stale.delete(id);
    CHARTS[id](ordered(matching()));
  }
}

function redraw(...ids) {
  for (const id of ids) stale.add(id);
  drawStale();
}

function watchCharts() {
  const watcher = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) near[isIntersecting ? "add" : "delete"](target.id);
    drawStale();
  }, { rootMargin: "300px" });
  for (const id of Object.keys(CHARTS)) watcher.observe(byId(id));
}

function print(now) {
  printing = now;
  for (const id of Object.keys(CHARTS)) stale.add(id);
  drawStale(new Set(Object.keys(CHARTS)));
}

function refresh() {
  showRows(ordered(matching()));
  showOrder();
  redraw(...Object.keys(CHARTS));
}

function soon() {
  clearTimeout(pending);
  pending = setTimeout(refresh, 120);
}

function orderBy(column) {
  state.descending = state.column === column && !state.descending;
  state.column = column;
  byId("sort").value = sortOption(column, state.descending);
  refresh();
}

// All charts are drawn first: one that grows later would push the run out of sight.
function openRun(entry) {
  state.run = entry;
  stale.add("run");
  drawStale(new Set(Object.keys(CHARTS)));
  byId("run").scrollIntoView();
}

function sortOption(column, descending) {
  return `${column} ${descending}`;
}

function fillSort() {
  const inFileOrder = sortOption(FILE_ORDER.key, false);
  const sorted = COLUMNS.flatMap(({ key, title }) =>
    [[sortOption(key, false), `${title} ↑`], [sortOption(key, true), `${title} ↓`]]);
  fill(byId("sort"), [[inFileOrder, FILE_ORDER.title], ...sorted], inFileOrder);
}

function start() {
  summary();
  fillFilters();
  fillSort();
  makeTable(orderBy, (entry) => toggleDetail(entry, openRun));
  const form = byId("filters");
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    Object.assign(state, { column: FILE_ORDER.key, descending: false });
    soon();
  });
  byId("sort").addEventListener("change", (event) => {
    const [column, descending] = event.target.value.split(" ");
    Object.assign(state, { column, descending: descending === "true" });
  });
  byId("scale").addEventListener("change", () => redraw("latency"));
  byId("chosen").addEventListener("change", (event) => {
    state.run = ENTRIES[event.target.value];
    redraw("run");
  });
  darkScreen.addEventListener("change", refresh);
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  refresh();
  addEventListener("DOMContentLoaded", watchCharts); // then Plotly is there
}

start();

// The table: made once, then hidden, shown and put in order row by row.

const ROWS = new Map();

function makeTable(onOrder, onOpen) {
  const heads = COLUMNS.map(({ key, title, css, help }) => {
    const button = element("button", { type: "button", textContent: title, title: help });
    button.addEventListener("click", () => onOrder(key));
    return element("th", { scope: "col", className: css, role: "columnheader" }, button);
  });
  const table = byId("rows");
  table.style.setProperty("--columns", COLUMNS.map(({ width }) => width).join(" "));
  table.setAttribute("role", "table");
  table.tHead.setAttribute("role", "rowgroup");
  table.tBodies[0].setAttribute("role", "rowgroup");
  table.tHead.append(element("tr", { role: "row" }, ...heads));
  for (const entry of ENTRIES) ROWS.set(entry, makeRow(entry, onOpen));
  table.tBodies[0].append(...ROWS.values());
}

function makeRow(entry, onOpen) {
  const state = entry.row.verdict.state;
  const open = element("button", { type: "button", className: "open", "aria-expanded": "false",
    "aria-label": `${state}, details of ${jobName(entry)} on ${entry.row.host}` }, badge(state));
  open.addEventListener("click", () => onOpen(entry));
  const cells = DATA.columns.map((column) => makeCell(entry.cells[column.key], column));
  const row = element("tr", { className: `row ${state}`, role: "row" },
    element("td", { className: "head", role: "cell" }, open), ...cells);
  row.addEventListener("click", (event) => {
    const selecting = getSelection().toString() !== "";
    if (!event.target.closest("button") && !selecting) onOpen(entry);
  });
  return row;
}

function makeCell(text, { title, css }) {
  const className = text === "N/A" ? `${css} unknown` : css;
  return element("td", { textContent: text, role: "cell", className, data: { label: title } });
}

function showRows(entries) {
  const body = byId("rows").tBodies[0], shown = new Set(entries);
  for (const [entry, row] of ROWS) {
    row.hidden = !shown.has(entry);
    if (entry.detail) entry.detail.hidden = row.hidden;
  }
  body.append(...entries.flatMap((entry) => entry.detail ? [ROWS.get(entry), entry.detail] : [ROWS.get(entry)]));
  byId("nothing").hidden = entries.length > 0;
  byId("count").textContent = `${entries.length} of ${counted(ENTRIES.length, "row")}`;
}

function showOrder() {
  const heads = byId("rows").tHead.rows[0].cells;
  COLUMNS.forEach(({ key }, at) => {
    const here = key === state.column;
    heads[at].setAttribute("aria-sort", here ? (state.descending ? "descending" : "ascending") : "none");
  });
}

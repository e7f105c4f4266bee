// The table: made once, then hidden, shown and put in order row by row.

const NUMBERS = new Set([3, 5, 6, 8, 9, 10, 11]);
const ROWS = new Map();

function makeTable(onOrder, onOpen) {
  const titles = ["Verdict", ...DATA.columns];
  const heads = titles.map((title, at) => {
    const button = element("button", { type: "button", textContent: title });
    button.addEventListener("click", () => onOrder(at - 1));
    const className = classOf("", at - 1);
    return element("th", { scope: "col", className, role: "columnheader" }, button);
  });
  const table = byId("rows");
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
  const cells = entry.cells.map((text, column) => element("td", {
    textContent: text, role: "cell", className: classOf(text, column), data: { label: DATA.columns[column] },
  }));
  const row = element("tr", { className: `row ${state}`, role: "row" },
    element("td", { className: "head", role: "cell" }, open), ...cells);
  row.addEventListener("click", (event) => {
    const selecting = getSelection().toString() !== "";
    if (!event.target.closest("button") && !selecting) onOpen(entry);
  });
  return row;
}

function classOf(text, column) {
  const names = NUMBERS.has(column) ? ["number"] : [];
  if (text === "N/A") names.push("unknown");
  if (column === 0 || column === 1) names.push("name");
  if (column === 8 || column === 9) names.push("figure");
  if (column === DATA.columns.length - 1) names.push("last");
  return names.join(" ");
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
  for (let at = 0; at < heads.length; at++) {
    const here = at - 1 === state.column;
    heads[at].setAttribute("aria-sort", here ? (state.descending ? "descending" : "ascending") : "none");
  }
}

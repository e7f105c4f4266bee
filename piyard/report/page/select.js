// Which rows are looked at: the data, the filters, the order.

const DATA = JSON.parse(byId("data").textContent);
const ENTRIES = DATA.entries;
const VERDICTS = ["VALID", "SUSPECT", "INVALID", "EMULATED"];
const FILTERS = {
  model: (entry) => entry.row.title,
  board: (entry) => entry.row.host,
  type: (entry) => entry.row.data_type,
  verdict: (entry) => entry.row.verdict.state,
};
const BOARDS = [...new Set(ENTRIES.map(FILTERS.board))];
const FILE_ORDER = { key: "", title: "file order" };
const VERDICT = { key: "verdict", title: "Verdict", css: "", width: "100px", help: "Whether the row can be believed" };
const COLUMNS = [VERDICT, ...DATA.columns];
const state = { column: FILE_ORDER.key, descending: false, run: null };

ENTRIES.forEach((entry, at) => {
  const row = entry.row;
  const said = row.verdict.reasons.map((reason) => reason.text);
  const all = [row.run, row.host, row.target, row.model, row.verdict.state, ...Object.values(entry.cells), ...said];
  entry.at = at;
  entry.text = all.join("\n").toLowerCase();
});

function jobName({ row }) {
  return `${row.title} ${row.data_type} ${row.threads}T`;
}

function matching() {
  const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const asked = Object.entries(FILTERS).filter(([id]) => byId(id).value !== "");
  return ENTRIES.filter((entry) =>
    words.every((word) => entry.text.includes(word)) &&
    asked.every(([id, of]) => byId(id).value === `=${of(entry)}`));
}

function sortKey(entry, column) {
  if (column === FILE_ORDER.key) return entry.at;
  if (column === VERDICT.key) return VERDICTS.indexOf(entry.row.verdict.state);
  return column in entry.sort ? entry.sort[column] : entry.cells[column];
}

function ordered(entries) {
  const way = state.descending ? -1 : 1;
  return [...entries].sort((one, other) => {
    const a = sortKey(one, state.column), b = sortKey(other, state.column);
    if (a === null || b === null) return (a === null) - (b === null);
    const apart = typeof a === "number" ? a - b : a.localeCompare(b);
    return way * apart || one.at - other.at;
  });
}

function fillFilters() {
  for (const [id, of] of Object.entries(FILTERS)) {
    const known = [...new Set(ENTRIES.map(of))].sort((a, b) => a.localeCompare(b));
    fill(byId(id), [["", "all"], ...known.map((name) => [`=${name}`, name])], "");
  }
}

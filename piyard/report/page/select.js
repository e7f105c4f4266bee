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
const state = { column: -2, descending: false, run: null };

ENTRIES.forEach((entry, at) => {
  const row = entry.row;
  const said = row.verdict.reasons.map((reason) => reason.text);
  const all = [row.run, row.host, row.target, row.model, row.verdict.state, ...entry.cells, ...said];
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

// Column -2 is the order of the file, -1 the verdict, others those of the table.
function key(entry, column) {
  if (column === -2) return entry.at;
  if (column === -1) return VERDICTS.indexOf(entry.row.verdict.state);
  return column < entry.keys.length ? entry.keys[column] : entry.cells[column];
}

function ordered(entries) {
  const way = state.descending ? -1 : 1;
  return [...entries].sort((one, other) => {
    const a = key(one, state.column), b = key(other, state.column);
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

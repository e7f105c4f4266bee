// What is behind one row: verdict, figures, the command, where it comes from.

function toggleDetail(entry, onRun) {
  const row = ROWS.get(entry), button = row.querySelector(".open");
  const opening = !entry.detail;
  button.setAttribute("aria-expanded", String(opening));
  if (!opening) {
    entry.detail.remove();
    entry.detail = null;
    return;
  }
  const cell = element("td", { colspan: COLUMNS.length, role: "cell" }, detail(entry, onRun));
  entry.detail = element("tr", { className: "more", role: "row" }, cell);
  row.after(entry.detail);
  // The table scrolls by itself: what opens below its edge would not be seen.
  entry.detail.scrollIntoView({ block: "nearest" });
  row.scrollIntoView({ block: "nearest" });
}

function detail(entry, onRun) {
  const look = entry.samples.length ? element("button", { type: "button", textContent: "Show its run below" }) : null;
  look?.addEventListener("click", () => onRun(entry));
  return element("div", { className: "detail" },
    element("div", { className: "stack" },
      part("Verdict", verdictOf(entry.row), look), part("Measure this row again", commandOf(entry))),
    part("Figures", list(figures(entry))),
    ...entry.provenance.map((at) => provenanceOf(DATA.groups[at])));
}

function part(title, ...children) {
  return element("section", {}, element("h3", { textContent: title }), ...children);
}

function verdictOf(row) {
  const reasons = row.verdict.reasons.map((reason) =>
    element("li", {}, badge(reason.grade, reason.code), ` ${reason.text}`));
  const none = { VALID: "Nothing speaks against this row.", EMULATED: "Its times are an emulator's, not a Pi's." }[row.verdict.state]
    ?? "No reason is recorded.";
  return element("ul", {}, element("li", {}, badge(row.verdict.state)),
    ...(reasons.length ? reasons : [element("li", { textContent: none })]));
}

function figures({ row, accuracy, cells }) {
  const s = row.summary, ms = (value) => value === null || value === undefined ? null : `${short(value)} ms`;
  const named = [
    ["median", ms(s.median)], ["95 % interval", `${short(s.low)} to ${short(s.high)} ms`],
    ["min / max", `${short(s.min)} / ${short(s.max)} ms`],
    ["p10 / p90 / p99", `${short(s.p10)} / ${short(s.p90)} / ${short(s.p99)} ms`],
    ["MAD", ms(s.mad)], ["samples", String(s.count)],
    ["end to end", row.end_to_end && ms(row.end_to_end.median)], ["cold start", ms(row.cold_ms)],
    ["peak memory", row.peak_rss_kb && `${(row.peak_rss_kb / 1024).toFixed(1)} MiB`],
    ["accuracy", accuracy === null ? null : cells.accuracy],
    ["output", row.check && `${row.check.ok ? "as the original's" : "DIFFERS"}, ${row.check.empty || row.check.blind || `cosine ${row.check.cosine.toFixed(6)}`}`],
    ["published", row.published && `${short(row.published.ms)} ms (${row.published.source})`],
    ["likely causes", row.published && row.published.likely.join(", ")],
    [`${row.floor?.bound} floor`, row.floor && `${short(row.floor.ms)} ms (${row.floor.source})`],
  ];
  return [...named, ...money(row)].filter(([, value]) => value);
}

function money({ power, cost }) {
  return [
    ["energy", power && `${short(power.joules)} J, ${short(power.above_idle_joules)} J of it above idle`],
    ["power", power && `${short(power.average_w)} W, idle ${short(power.idle_w)} W (${power.source})`],
    ["at the wall", power?.wall_w && `${short(power.wall_w)} W`],
    ["board", cost?.board && `$${cost.board} ${cost.board_date}`],
    ["a million inferences", cost?.per_million && `$${short(cost.per_million)} of energy`],
  ];
}

// A missing number is null in the data: where a board told nothing, or a division had no sense.
function short(value) {
  return value === null ? "N/A" : String(Number(value.toPrecision(4)));
}

function list(lines) {
  return element("dl", {}, ...lines.flatMap(([name, value]) =>
    [element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

function commandOf({ command }) {
  const code = element("code", { textContent: command });
  const copy = element("button", { type: "button", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Selected"; // the browser gives a page on disk no clipboard
    }
  });
  return element("div", { className: "command" }, code, copy);
}

function provenanceOf(group) {
  const about = element("summary", { textContent: `${group.title} (${group.lines.length})` });
  return element("details", { open: group.title === "Run" }, about, list(group.lines));
}

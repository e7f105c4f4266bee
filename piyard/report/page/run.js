// One run: its samples, the temperature and the clock on one clock, throttling marked.

const LIVE = [[0x1, "under-voltage"], [0x2, "clock capped"], [0x4, "throttled"], [0x8, "soft temperature limit"]];

function drawRun(entries) {
  const figure = byId("run"), select = byId("chosen");
  const told = entries.filter((entry) => entry.samples.length);
  if (!told.length) {
    fill(select, [], "");
    return empty(figure, "None of these rows brings its samples.");
  }
  const chosen = told.includes(state.run) ? state.run : told[0];
  fill(select, told.map((entry) =>
    [entry.at, `${entry.row.verdict.state === "VALID" ? "" : `${entry.row.verdict.state} `}${jobName(entry)} · ${entry.row.host}`]), chosen.at);
  const felt = chosen.timeline;
  draw(figure, [samplesOf(chosen), ...(felt ? feltBy(felt) : [])], runLayout(chosen, felt));
  const spells = felt ? throttling(felt) : [];
  caption(figure, chosen.row.emulated ? "An emulated board: not a Pi's times." : "",
    chosen.clocked ? "" : "When each sample ran was not logged: they are laid end to end.",
    felt ? "" : "This board told neither temperature nor clock.",
    ...spells.map(({ from, to, names }) => `${names.join(", ")} from ${from} s to ${to} s.`),
    felt && !spells.length && felt.throttled.some((word) => word !== null) ? "Never throttled while it ran." : "");
}

function samplesOf(entry) {
  return { type: "scatter", mode: "markers", name: "latency", x: entry.ends, y: entry.samples, yaxis: "y",
    marker: { size: 3, color: colourOf(entry.row.host), opacity: 0.7 }, hovertemplate: "%{x} s: %{y} ms<extra></extra>" };
}

function feltBy(felt) {
  const look = colours(), line = (name, y, yaxis, color, unit, dash) => ({
    type: "scatter", mode: "lines+markers", name, x: felt.t, y, yaxis, connectgaps: false, line: { color, width: 1.6, dash },
    marker: { size: dash ? 1 : 3, color }, hovertemplate: `%{x} s: %{y} ${unit}<extra>${name}</extra>` });
  const lines = [
    line("temperature", felt.celsius, "y2", look.warn, "°C"),
    line("clock, as measured", felt.mhz, "y3", look.boards[2], "MHz"),
    line("clock, as the kernel believes", felt.kernel_mhz, "y3", look.soft, "MHz", "dot"),
  ];
  return lines.filter(({ y }) => y.some((value) => value !== null));
}

function runLayout(entry, felt) {
  const names = felt ? [["yaxis", "ms"], ["yaxis2", "°C"], ["yaxis3", "MHz"]] : [["yaxis", "ms"]];
  const part = 1 / names.length;
  const axes = names.map(([name, unit], at) => [name, axis({ title: title(unit), nticks: 5,
    domain: [1 - (at + 1) * part + (at + 1 < names.length ? 0.05 : 0), 1 - at * part] })]);
  if (felt) Object.assign(axes[2][1], clockRange(felt));
  const bands = felt ? throttling(felt).map((spell) => band(spell)) : [];
  return { height: felt ? 460 : 260, shapes: bands, hovermode: "closest", ...Object.fromEntries(axes),
    xaxis: axis({ title: title("seconds"), anchor: felt ? "y3" : "y" }) };
}

// A steady clock is a straight line, not the noise of its measurement.
function clockRange(felt) {
  const told = [...felt.mhz, ...felt.kernel_mhz].filter((mhz) => mhz !== null);
  return told.length ? { range: [Math.min(...told) - 150, Math.max(...told) + 150] } : {};
}

// Each stretch of moments at which the firmware held the board back.
function throttling(felt) {
  const spells = [];
  felt.throttled.forEach((word, at) => {
    const names = LIVE.filter(([bit]) => word & bit).map(([, name]) => name), last = spells.at(-1);
    const to = felt.t[at + 1] ?? felt.t[at];
    if (names.length && last?.next === at && last.names.join() === names.join()) Object.assign(last, { to, next: at + 1 });
    else if (names.length) spells.push({ from: felt.t[at], to, names, next: at + 1 });
  });
  return spells;
}

function band({ from, to, names }) {
  const look = colours(), colour = names.includes("under-voltage") ? look.warn : look.bad;
  return { type: "rect", xref: "x", yref: "paper", x0: from, x1: to, y0: 0, y1: 1, fillcolor: colour, opacity: 0.15,
    line: { width: 1, color: colour }, layer: "below" };
}

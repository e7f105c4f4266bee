#pragma once

namespace nnrun {

constexpr char preview_page[] = R"(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>piyard</title>
<style>
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
body { margin: 1rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.1rem; margin: 0 0 .5rem; }
img { display: block; width: 100%; height: auto; max-height: 82vh; object-fit: contain; background: #8882; min-height: 8rem; }
p { margin: .5rem 0; font-variant-numeric: tabular-nums; }
</style>
<h1 id="title">piyard</h1>
<img id="picture" alt="the newest frame, with what the model sees in it">
<p id="state" role="status">waiting for the first frame</p>
<p id="seen"></p>
<script src="/preview.js"></script>
</html>
)";

// The frames are read here, not by <img src="/stream">: a browser says nothing of a stream that it
// lost, and shows no other.
constexpr char preview_script[] = R"(const at = name => document.getElementById(name);
const put = (name, text) => { at(name).textContent = text; };
const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
const pause = ms => new Promise(done => setTimeout(done, ms));
const mostFailures = 10;
let hasEnded = false;
// One request may be lost on its way through the tunnel; a stream that has ended answers none.
async function watchState() {
  for (let failures = 0; failures < mostFailures; await pause(500)) {
    try {
      const state = await (await fetch('/state', {cache: 'no-store'})).json();
      failures = 0;
      put('title', document.title = state.title);
      if (!state.frames) continue;
      put('state', `${state.fps.toFixed(1)} frames a second · ${count(state.frames, 'frame')} · ${state.dropped} dropped`);
      put('seen', state.seen || 'nothing');
    } catch {
      ++failures;
    }
  }
  hasEnded = true;
  put('state', `${at('state').textContent} · ended`);
}
function join(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
// Where the first part's picture lies in the bytes, once all of it is there.
function findPicture(bytes) {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
  const head = /Content-Length: (\d+)\r\n\r\n/.exec(text);
  if (!head) return null;
  const start = head.index + head[0].length, end = start + Number(head[1]);
  return end <= bytes.length ? {start, end} : null;
}
async function draw(jpeg) {
  const shown = at('picture').src;
  at('picture').src = URL.createObjectURL(new Blob([jpeg], {type: 'image/jpeg'}));
  await at('picture').decode();
  if (shown) URL.revokeObjectURL(shown);
}
async function showFrames() {
  const reader = (await fetch('/stream', {cache: 'no-store'})).body.getReader();
  let bytes = new Uint8Array();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    bytes = join(bytes, value);
    for (let place; (place = findPicture(bytes)); bytes = bytes.slice(place.end)) await draw(bytes.slice(place.start, place.end));
  }
}
async function watchFrames() {
  for (; !hasEnded; await pause(500)) await showFrames().catch(() => {});
}
watchState();
watchFrames();
)";

}  // namespace nnrun

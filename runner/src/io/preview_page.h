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
<img id="picture" src="/stream" alt="the newest frame, with what the model sees in it">
<p id="state" role="status">waiting for the first frame</p>
<p id="seen"></p>
<script src="/preview.js"></script>
</html>
)";

constexpr char preview_script[] = R"(const put = (name, text) => { document.getElementById(name).textContent = text; };
const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
async function look() {
  try {
    const state = await (await fetch('/state', {cache: 'no-store'})).json();
    put('title', document.title = state.title);
    if (state.frames) {
      put('state', `${state.fps.toFixed(1)} frames a second · ${count(state.frames, 'frame')} · ${state.dropped} dropped`);
      put('seen', state.seen || 'nothing');
    }
    setTimeout(look, 500);
  } catch {
    put('state', `${document.getElementById('state').textContent} · ended`);
  }
}
look();
)";

}  // namespace nnrun

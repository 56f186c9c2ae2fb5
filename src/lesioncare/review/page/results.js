// Test images of runs under the maps of each arm.

import { Refused, get } from "./api.js";
import { $, element, nextTheme, setTheme } from "./dom.js";

const PART = 20;
let setup = null;
let shown = 0;
let turn = 0; // which choice the list is of

function percent(value) {
  return value == null ? "undefined" : `${(100 * value).toFixed(1)} %`;
}

function figure(example, arm) {
  const address = `pictures/${example.position}${arm == null ? "" : `?arm=${arm}`}`;
  const name = arm == null ? "image" : setup.arms[arm];
  const picture = element("img", { src: address, loading: "lazy", alt: `${example.image}, ${name}` });
  const marks = example.boxes.map(([x1, y1, x2, y2]) => {
    const mark = element("span", {});
    mark.className = "mark";
    Object.assign(mark.style, { left: `${x1}%`, top: `${y1}%`, width: `${x2 - x1}%`, height: `${y2 - y1}%` });
    return mark;
  });
  const frame = element("div", {}, picture, ...marks);
  frame.className = "frame";
  picture.addEventListener("error", () => frame.replaceChildren(element("p", { text: "No picture: no map was kept, or the file is gone." })));
  const words = arm == null ? [element("strong", { text: example.label || "unknown" })] : said(example.arms[arm], name);
  return element("figure", {}, frame, element("figcaption", {}, ...words));
}

function said(arm, name) {
  const answer = element("span", { text: `${arm.answer} ${percent(arm.probability)}, ${arm.right ? "right" : "wrong"}` });
  answer.className = arm.right ? "right" : "wrong";
  const energy = element("div", { text: `energy in the box ${percent(arm.energy)}` });
  return [element("strong", { text: `${name}: ` }), answer, energy];
}

async function more() {
  const mine = ++turn;
  const choice = Object.fromEntries(new FormData($("choice")));
  let found;
  try {
    found = await get("api/examples", { ...choice, start: shown, limit: PART });
  } catch (error) {
    $("count").textContent = error instanceof Refused ? error.message : "The server does not answer. Start it again.";
    return;
  }
  if (turn !== mine) return; // another choice was made meanwhile
  const { total, examples } = found;
  for (const example of examples) {
    const tiles = element("div", {}, figure(example, null), ...setup.arms.map((_, arm) => figure(example, arm)));
    tiles.className = "tiles";
    const section = element("section", { label: example.image }, element("h2", { text: example.image }), tiles);
    section.className = "example";
    $("examples").append(section);
  }
  shown += examples.length;
  $("more").hidden = shown >= total;
  $("count").textContent = `${shown} of ${total} ${total === 1 ? "image" : "images"}`;
}

function restart() {
  shown = 0;
  $("examples").replaceChildren();
  more();
}

setTheme();
$("theme").addEventListener("click", nextTheme);
$("more").addEventListener("click", more);
$("choice").addEventListener("change", restart);
setup = await get("api/setup");
setup.classes.forEach((name) => $("choice").elements.label.append(new Option(name, name)));
await more();

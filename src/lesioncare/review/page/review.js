// The review page: which image is shown, and what happens to it.

import { Outbox, get, newKey } from "./api.js";
import { $, kept, nextTheme, setTheme } from "./dom.js";
import { clamp, moved, resized, rounded } from "./geometry.js";
import { watchPointers } from "./gestures.js";
import { fillHelp, watchKeys } from "./keys.js";
import { Pace } from "./pace.js";
import { fillFilter, readFilter, showBoxes, showConflict, showQueue } from "./panel.js";
import { Queue, pictureAddress } from "./queue.js";
import { Stage } from "./stage.js";

const KEYBOARD_PAUSE = 500; // milliseconds after the last arrow key until the move is one change

const stage = new Stage($("stage"));
const pace = new Pace();
const queue = new Queue(() => reviewer, screenSide);
const outbox = new Outbox({ sent, refused, state: showSaved });
let reviewer = kept("name");
let setup = null;
let image = null; // as the server gives it
let boxes = []; // as they are now
let selected = -1;
let pending = null; // the timer of a move by keyboard that is not kept yet
let layer = "";
let progress = { total: 0, done: 0, conflicts: 0, skipped: 0 };

function screenSide() {
  return Math.ceil(Math.max(stage.root.clientWidth, stage.root.clientHeight, 400) * (window.devicePixelRatio || 1));
}

// ---- showing

function draw() {
  const others = (image?.others ?? []).flatMap((other) =>
    other.boxes.map((box) => ({ ...box, title: other.reviewer })));
  stage.setBoxes(boxes, selected, image?.status === "conflict" ? others : []);
  showBoxes($("boxes"), {
    boxes, selected, classes: setup.classes, onSelect: select, onRemove: remove,
    onLabel: (at, label) => commit(boxes.map((box, i) => (i === at ? { ...box, label } : box)), at),
  });
  const decided = image && image.mine !== "open" ? `You: ${image.mine}. ` : "";
  const by = (image?.others ?? []).filter((other) => other.decision);
  $("status").textContent = image ? decided + by.map((o) => `${o.reviewer}: ${o.decision}.`).join(" ") : "";
  if (image) showConflict($("conflict"), { image, onTake: take });
  else $("conflict").hidden = true;
}

function drawLists() {
  showQueue($("queue"), { items: queue.items, at: queue.at, onOpen: open });
  $("more").hidden = queue.ended || queue.at < queue.items.length - 30;
  const left = Math.max(progress.total - progress.done, 0);
  const time = pace.left(left);
  $("progress").max = Math.max(progress.total, 1);
  $("progress").value = progress.done;
  const conflicts = progress.conflicts ? `, ${progress.conflicts} in conflict` : "";
  $("progress-text").textContent = `${progress.done} of ${progress.total}${conflicts}${time && `, ${time}`}`;
}

function showSaved(state, count) {
  const words = { saved: "Saved", saving: "Saving", waiting: `Not saved yet: ${count}. The server does not answer; kept here` };
  $("saved").textContent = words[state];
  $("saved").dataset.state = state;
}

function say(text) {
  $("said").textContent = text;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(notice.timer);
  if (text) notice.timer = setTimeout(() => notice(""), 8000);
}

async function refreshProgress() {
  progress = await get("api/progress", { ...readFilter($("filter")), status: "any", reviewer });
  if (queue.current) drawLists();
  else showEnd();
}

// ---- going from image to image

async function open(at) {
  keep();
  queue.at = clamp(at, 0, queue.items.length);
  const item = queue.current;
  if (!item) return showEnd();
  let found;
  try {
    found = await queue.load(item.number);
  } catch (error) {
    if (queue.current !== item) return undefined;
    queue.forget(item.number);
    notice(error.message.includes("fetch") ? "The server does not answer. Start it again; the page goes on." : error.message);
    return undefined;
  }
  if (queue.current !== item) return undefined; // the reviewer is faster
  ({ image } = found);
  boxes = image.boxes;
  selected = boxes.length === 1 ? 0 : -1;
  $("empty").hidden = !found.problem;
  $("empty").textContent = found.problem ?? "";
  $("image-name").textContent = image.id;
  stage.fitted = true;
  stage.show(found.picture, { width: image.width, height: image.height }, `Image ${image.id}`);
  if (layer) showLayer();
  draw();
  drawLists();
  document.body.dataset.image = image.id;
  say(`${image.id}, ${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}, ${image.mine}`);
  await queue.loadAhead();
  return undefined;
}

function showEnd() {
  image = null;
  boxes = [];
  selected = -1;
  document.body.dataset.image = "";
  $("image-name").textContent = "";
  $("empty").hidden = false;
  const more = progress.conflicts + progress.skipped > 0
    ? ` In conflict: ${progress.conflicts}; skipped: ${progress.skipped}: choose them in the filter.` : "";
  $("empty").textContent = `No more images with this filter.${more}`;
  stage.picture.removeAttribute("src");
  draw();
  drawLists();
  say($("empty").textContent);
}

async function refilter() {
  keep();
  try {
    await queue.restart(readFilter($("filter")));
    await refreshProgress();
    await open(0);
  } catch (error) {
    notice(error.message);
  }
}

// ---- changing

function post(action, more = {}) {
  outbox.put("api/changes", {
    key: newKey(), reviewer, image: image.number, action,
    boxes: boxes.map(({ x1, y1, x2, y2, label, source, score }) => ({ x1, y1, x2, y2, label, source, score })),
    seen: image.seen, ...more,
  });
}

/** Keep boxes as a change. */
function commit(changed, at) {
  clearTimeout(pending);
  pending = null;
  boxes = changed.map(rounded);
  selected = at;
  image = { ...image, mine: "edited", decision: null };
  post("edit");
  queue.forget(image.number);
  draw();
}

/** Keep now what was moved by keyboard. */
function keep() {
  if (pending !== null) commit(boxes, selected);
}

function decide(action, status) {
  if (!image) return;
  keep();
  const before = image.mine;
  post(action);
  queue.forget(image.number);
  const counts = (one) => (one === "accepted" || one === "rejected" ? 1 : 0);
  progress.done += counts(status) - counts(before);
  Object.assign(queue.current, { status, mine: status });
  if (counts(status)) pace.decided();
  say(`${image.id}: ${status}`);
  open(queue.at + 1);
}

function sent(path, body, shown) {
  if (!shown) {
    if (path !== "api/changes") say("Nothing more");
    return;
  }
  queue.update(shown);
  const step = path !== "api/changes";
  if (step || shown.number !== image?.number) queue.forget(shown.number);
  if (step) {
    queue.at = queue.place(shown);
    open(queue.at);
    say(`${path.endsWith("undo") ? "Undone" : "Done again"}: ${shown.id}`);
  } else if (shown.number === image?.number && outbox.waiting().length === 0) {
    // The boxes on the screen may be ahead of the server; only what is known about them is taken.
    image = { ...shown, boxes };
    draw();
  } else if (shown.status === "conflict") {
    notice(`${shown.id} is in conflict with what another reviewer did (filter: conflict).`);
  }
  if (outbox.waiting().length === 0) refreshProgress().catch(() => {});
}

function refused(message, body) {
  notice(`Not kept: ${message}`);
  queue.forget(body.image);
  if (body.image === image?.number) open(queue.at);
}

function take(other) {
  keep();
  boxes = other === image ? boxes : other.boxes;
  const decision = other.decision;
  image = { ...image, mine: decision ?? "edited", decision };
  post("resolve", { decision: decision === "skipped" ? null : decision, seen: image.heads });
  queue.forget(image.number);
  draw();
}

function step(name) {
  keep();
  outbox.put(`api/${name}`, { key: newKey(), reviewer });
}

// ---- boxes

function newBox(corners) {
  const label = boxes[selected]?.label ?? boxes[0]?.label ?? image.original[0]?.label ?? null;
  return { ...corners, label, source: "manual", score: 1 };
}

function select(at) {
  if (at !== selected) keep();
  selected = at;
  draw();
  if (boxes[at]) say(stage.describe(boxes[at], at));
}

function remove(at = selected) {
  if (!image || !boxes[at]) return;
  keep();
  const left = boxes.filter((_, i) => i !== at);
  say(`Box ${at + 1} deleted`);
  commit(left, left.length === 1 ? 0 : -1);
}

function add() {
  if (!image) return;
  const { clientWidth: width, clientHeight: height } = stage.root;
  const [a, b] = [stage.toImage({ x: 0, y: 0 }), stage.toImage({ x: width, y: height })];
  const left = clamp(a.x, 0, image.width), right = clamp(b.x, 0, image.width);
  const top = clamp(a.y, 0, image.height), bottom = clamp(b.y, 0, image.height);
  const quarter = { x: Math.max((right - left) / 4, 1), y: Math.max((bottom - top) / 4, 1) };
  const box = newBox({ x1: left + quarter.x, y1: top + quarter.y, x2: right - quarter.x, y2: bottom - quarter.y });
  commit([...boxes, box], boxes.length);
  say("New box. Arrow keys move it, with Shift its right and lower edge, with Alt its left and upper edge.");
}

function arrow(event, [dx, dy]) {
  const length = event.ctrlKey ? 10 : 1;
  if (!boxes[selected]) {
    stage.pan(-dx * 40, -dy * 40);
    return;
  }
  const size = { width: image.width, height: image.height };
  const box = boxes[selected];
  const handle = event.shiftKey ? (dx ? "e" : "s") : dx ? "w" : "n";
  const next = event.shiftKey || event.altKey
    ? resized(box, handle, dx * length, dy * length, size)
    : moved(box, dx * length, dy * length, size);
  boxes = boxes.map((one, at) => (at === selected ? next : one));
  draw();
  clearTimeout(pending);
  pending = setTimeout(keep, KEYBOARD_PAUSE);
}

// ---- maps

function nextLayer() {
  const names = ["", ...setup.maps];
  layer = names[(names.indexOf(layer) + 1) % names.length];
  showLayer();
}

async function showLayer() {
  $("layer").value = layer;
  if (!image) return;
  const { number } = image;
  const picture = new Image();
  picture.src = pictureAddress(number, Math.max(screenSide(), Math.min(stage.wanted, 4096)), layer);
  try {
    await picture.decode();
  } catch {
    notice(`The map ${layer} cannot be made of this image.`);
    return;
  }
  if (image?.number !== number) return;
  const { fitted, scale, x, y } = stage;
  stage.show(picture, stage.size, `Image ${image.id}${layer && ` under the map ${layer}`}`);
  if (!fitted) Object.assign(stage, { fitted, scale, x, y });
  stage.place();
  document.body.dataset.layer = layer;
}

function zoom(factor) {
  stage.zoom(factor);
  const pixels = Math.max(stage.picture.naturalWidth, stage.picture.naturalHeight);
  if (pixels < Math.max(image?.width ?? 0, image?.height ?? 0) && stage.wanted > pixels) showLayer();
}

// ---- what the keys and buttons do

const actions = {
  accept: () => decide("accept", "accepted"),
  reject: () => decide("reject", "rejected"),
  skip: () => decide("skip", "skipped"),
  reopen: () => image && (keep(), post("reopen"), (image = { ...image, mine: "open", decision: null }), draw()),
  undo: () => step("undo"),
  redo: () => step("redo"),
  next: () => open(queue.at + 1),
  previous: () => open(queue.at - 1),
  add,
  remove: () => remove(),
  selectNext: () => boxes.length && select((selected + 1) % boxes.length),
  selectPrevious: () => boxes.length && select((Math.max(selected, 0) - 1 + boxes.length) % boxes.length),
  setClass: (_, key) => {
    const label = setup.classes[Number(key) - 1];
    if (boxes[selected] && label !== undefined) commit(boxes.map((b, i) => (i === selected ? { ...b, label } : b)), selected);
  },
  focusClass: () => $("boxes").children[Math.max(selected, 0)]?.querySelector("select")?.focus(),
  focusFilter: () => $("filter").elements.status.focus(),
  focusList: () => ($("queue").querySelector("[aria-current]") ?? $("queue").querySelector("button"))?.focus(),
  arrow,
  zoomIn: () => zoom(1.25),
  zoomOut: () => zoom(0.8),
  fit: () => stage.fit(),
  pan: () => {
    const on = stage.root.classList.toggle("pan");
    document.querySelector("[data-do=pan]").setAttribute("aria-pressed", String(on));
  },
  layer: nextLayer,
  theme: nextTheme,
  help: () => $("help-dialog").showModal(),
  name: askName,
  escape: () => {
    pointers.cancel();
    document.activeElement?.blur?.();
    select(-1);
  },
};

const pointers = watchPointers(stage, {
  boxes: () => boxes, selected: () => selected, select, newBox, commit,
  ready: () => image !== null,
  preview: (shown, at) => stage.setBoxes(shown, at),
});

function askName() {
  $("name").value = reviewer;
  $("name-dialog").showModal();
}

function listen() {
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name](event);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest?.("button, select, input, [role=button], dialog")) return;
    event.preventDefault();
    stage.root.classList.add("pan");
  });
  document.addEventListener("keyup", (event) => event.key === " " && stage.root.classList.remove("pan"));
  $("overlay").addEventListener("focusin", (event) => {
    const at = event.target.dataset?.box;
    if (at !== undefined && Number(at) !== selected) select(Number(at));
  });
  $("filter").addEventListener("change", refilter);
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  $("more").addEventListener("click", () => queue.more().then(drawLists));
  $("layer").addEventListener("change", () => ((layer = $("layer").value), showLayer()));
  $("name-dialog").addEventListener("cancel", (event) => reviewer || event.preventDefault());
  $("name-dialog").addEventListener("close", () => {
    const name = $("name").value.trim();
    if (name === "" || name === reviewer) return;
    reviewer = kept("name", name);
    start();
  });
  window.addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => document.hidden && keep());
}

async function start() {
  $("who").textContent = reviewer;
  queue.loaded.clear();
  await refilter();
}

async function begin() {
  setTheme();
  fillHelp($("keys"));
  watchKeys(actions);
  listen();
  setup = await get("api/setup");
  fillFilter($("filter"), setup);
  setup.maps.forEach((name) => $("layer").append(new Option(name, name)));
  await outbox.flush();
  if (reviewer) await start();
  else askName();
}

begin().catch((error) => notice(error.message));

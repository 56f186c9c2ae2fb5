// The review page: which image is shown, and what happens to it.

import { Outbox, Refused, get, newKey } from "./api.js";
import { $, kept, setTheme } from "./dom.js";
import { boxInSight, manualBox, nudged, plain } from "./edits.js";
import {
  askName, frameActions, notice, returnKeys, say, showNothing, showProgress, showSaved, tell,
  watchButtons, watchName,
} from "./frame.js";
import { clamp } from "./geometry.js";
import { watchPointers } from "./gestures.js";
import { fillHelp, watchKeys } from "./keys.js";
import { Layers } from "./layers.js";
import { Pace } from "./pace.js";
import { fillFilter, readFilter, showImage, showQueue } from "./panel.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";

const KEYBOARD_PAUSE = 500; // milliseconds after the last arrow key until the move is one change
const RETRY = 1000; // milliseconds until a server that does not answer is asked for the image again

const stage = new Stage($("stage"));
const layers = new Layers(stage, $("layer"), notice);
const pace = new Pace();
const queue = new Queue(() => reviewer, screenSide);
const outbox = new Outbox({ sent, refused, state: showSaved });
let reviewer = kept("name");
let setup = null;
let image = null; // as the server gives it
let unseen = null; // why the image cannot be seen, if it cannot
let boxes = []; // as they are now
let selected = -1;
let turn = 0; // which call of `open` is the newest
let pending = null; // the timer of a move by keyboard that is not kept yet
let progress = { total: 0, done: 0, conflicts: 0, skipped: 0 };

function screenSide() {
  return Math.ceil(Math.max(stage.root.clientWidth, stage.root.clientHeight, 400) * (window.devicePixelRatio || 1));
}

// ---- showing

function draw() {
  showImage(stage, {
    image, boxes, selected, classes: setup.classes, onSelect: select, onRemove: remove, onLabel: relabel, onTake: take,
  });
}

function drawLists() {
  showQueue($("queue"), { items: queue.items, at: queue.at, onOpen: open });
  $("more").hidden = queue.ended || queue.at < queue.items.length - 30;
  showProgress(progress, pace);
}

async function refreshProgress() {
  progress = await get("api/progress", { ...readFilter($("filter")), status: "any", reviewer });
  if (queue.ended && queue.at >= queue.items.length) showEnd();
  else drawLists();
}

// ---- going from image to image

/** Until the next image is on the screen, no key may decide on it. */
function leave() {
  keep();
  turn += 1;
  image = null;
  boxes = [];
  selected = -1;
}

async function open(at) {
  leave();
  const mine = turn;
  queue.at = clamp(at, 0, queue.items.length);
  let found;
  try {
    if (!queue.current) await queue.more();
    found = queue.current && (await queue.load(queue.current.number));
  } catch (error) {
    if (turn === mine) fail(error);
    return;
  }
  if (turn !== mine) return; // the reviewer is faster
  if (found) show(found);
  else showEnd();
}

function show(found) {
  ({ image, problem: unseen } = found);
  boxes = image.boxes;
  selected = boxes.length === 1 ? 0 : -1;
  tell(unseen ?? "");
  $("image-name").textContent = image.id;
  stage.fitted = true;
  stage.show(found.picture, { width: image.width, height: image.height }, `Image ${image.id}`);
  layers.follow(image);
  draw();
  drawLists();
  document.body.dataset.image = image.id;
  say(`${image.id}, ${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}, ${image.mine}`);
  queue.loadAhead()?.catch(() => {}); // it is tried again with the next image
}

function clear() {
  document.body.dataset.image = "";
  $("image-name").textContent = queue.current?.id ?? "";
  layers.image = null;
  stage.picture.removeAttribute("src");
  draw();
  drawLists();
}

function showEnd() {
  leave();
  clear();
  showNothing(progress);
}

/** The image cannot be had: nothing of the one before stays, and a server that is away is asked again. */
function fail(error) {
  const away = !(error instanceof Refused);
  const mine = turn;
  clear();
  tell(away ? "The server does not answer. Start it again; the page goes on." : error.message);
  if (away) setTimeout(() => turn === mine && open(queue.at), RETRY);
}

async function refilter() {
  leave();
  const mine = turn;
  try {
    await queue.restart(readFilter($("filter")));
    await refreshProgress();
  } catch (error) {
    if (turn === mine) fail(error);
    return;
  }
  await open(0);
}

// ---- changing

function post(action, more = {}) {
  outbox.put("api/changes", {
    key: newKey(), reviewer, image: image.number, action,
    boxes: boxes.map(plain), seen: image.seen, ...more,
  });
}

/** Keep boxes as a change. */
function commit(changed, at) {
  clearTimeout(pending);
  pending = null;
  boxes = changed;
  selected = at;
  image = { ...image, mine: "edited", decision: null };
  post("edit");
  queue.forget(image.number);
  draw();
}

/** Keep now what is being dragged, or was moved by keyboard. */
function keep() {
  pointers.settle();
  if (pending !== null) commit(boxes, selected);
}

function decide(action, status) {
  if (!image) return;
  if (unseen && action === "accept") {
    notice("Nobody can see this image, so its boxes cannot be accepted. Reject or skip it.");
    return;
  }
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
    if (path !== "api/changes") notice(`There is nothing more to ${path.endsWith("undo") ? "undo" : "redo"}.`);
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
  commit([...boxes, newBox(boxInSight(stage, image))], boxes.length);
  say("New box. Arrow keys move it, with Shift its right and lower edge, with Alt its left and upper edge.");
}

function newBox(corners) {
  return manualBox(corners, { boxes, selected, image });
}

function arrow(event, direction) {
  if (!boxes[selected]) {
    stage.pan(-direction[0] * 40, -direction[1] * 40);
    return;
  }
  boxes = boxes.map((box, at) => (at === selected ? nudged(box, event, direction, image) : box));
  draw();
  clearTimeout(pending);
  pending = setTimeout(keep, KEYBOARD_PAUSE);
}

function zoom(factor) {
  stage.zoom(factor);
  layers.sharpen();
}

function relabel(at, label) {
  if (boxes[at]) commit(boxes.map((box, i) => (i === at ? { ...box, label } : box)), at);
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
    if (label !== undefined) relabel(selected, label);
  },
  ...frameActions(stage, () => selected),
  arrow,
  zoomIn: () => zoom(1.25),
  zoomOut: () => zoom(0.8),
  layer: () => layers.next(),
  name: () => askName(reviewer, setup.reviewers),
  escape: () => {
    pointers.cancel();
    document.activeElement?.blur?.();
    select(-1);
  },
};

const pointers = watchPointers(stage, {
  boxes: () => boxes, selected: () => selected, select, newBox, commit,
  ready: () => image !== null,
  zoomed: () => layers.sharpen(),
  preview: (shown, at) => stage.setBoxes(shown, at),
});

function listen() {
  returnKeys();
  watchButtons(actions, stage);
  watchName(() => reviewer, (name) => {
    reviewer = kept("name", name);
    start();
  });
  $("overlay").addEventListener("focusin", (event) => {
    const at = event.target.dataset?.box;
    if (at !== undefined && Number(at) !== selected) select(Number(at));
  });
  $("filter").addEventListener("change", refilter);
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  $("more").addEventListener("click", () => queue.more().then(drawLists, (error) => notice(error.message)));
  $("layer").addEventListener("change", () => layers.choose($("layer").value));
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
  watchKeys(actions);
  listen();
  setup = await get("api/setup");
  fillHelp($("keys"), setup.classes);
  fillFilter($("filter"), setup);
  layers.offer(setup.maps);
  await outbox.flush();
  if (reviewer) await start();
  else askName(reviewer, setup.reviewers);
}

begin().catch((error) => notice(error.message));

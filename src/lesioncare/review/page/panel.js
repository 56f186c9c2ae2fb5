// The side of the page: boxes, conflict, filter and list. Text from files is only ever set as text.

import { $, element } from "./dom.js";

export const WORDS = {
  open: "", edited: "changed", accepted: "accepted", rejected: "rejected", skipped: "skipped", conflict: "conflict",
};

/** The boxes on the stage and in the side, and what others hold of the image. */
export function showImage(stage, { image, boxes, selected, onTake, ...rest }) {
  const others = image?.others ?? [];
  const dashed = others.flatMap((other) => other.boxes.map((box) => ({ ...box, title: other.reviewer })));
  stage.setBoxes(boxes, selected, image?.status === "conflict" ? dashed : []);
  showBoxes($("boxes"), { boxes, selected, ...rest });
  const mine = image && image.mine !== "open" ? `You: ${WORDS[image.mine]}. ` : "";
  const decided = others.filter((other) => other.decision);
  $("status").textContent = mine + decided.map((other) => `${other.reviewer}: ${other.decision}.`).join(" ");
  showConflict($("conflict"), { image, onTake });
}

function showBoxes(list, { boxes, selected, classes, onSelect, onLabel, onRemove }) {
  const rows = boxes.map((box, at) => {
    const choose = element("button", { type: "button", text: `Box ${at + 1}`, pressed: at === selected });
    choose.addEventListener("click", () => onSelect(at));
    const label = element("select", { label: `Class of box ${at + 1}` });
    const names = [...new Set(["", ...classes, box.label ?? ""])];
    names.forEach((name) => label.append(new Option(name || "no class", name, false, name === (box.label ?? ""))));
    label.addEventListener("change", () => onLabel(at, label.value || null));
    const remove = element("button", { type: "button", text: "Delete", label: `Delete box ${at + 1}` });
    remove.addEventListener("click", () => onRemove(at));
    const corners = [box.x1, box.y1, box.x2, box.y2].map((value) => value.toFixed(1)).join(", ");
    const about = element("small", { text: `${box.source}, score ${box.score.toFixed(2)}; ${corners}` });
    const row = element("li", {}, choose, label, remove, about);
    row.dataset.selected = String(at === selected);
    return row;
  });
  // A class that is chosen by keyboard keeps the focus: the next arrow key would move the box instead.
  const lists = () => [...list.querySelectorAll("select")];
  const focused = lists().indexOf(document.activeElement);
  list.replaceChildren(...(rows.length ? rows : [element("li", { text: "No box on this image." })]));
  if (focused >= 0) lists()[focused]?.focus();
}

function showConflict(root, { image, onTake }) {
  root.hidden = image?.status !== "conflict";
  if (root.hidden) return;
  const held = (decision) => decision ?? "changed the boxes";
  const told = image.others.map((other) => `${other.reviewer}: ${held(other.decision)}`).join("; ");
  const parts = [element("p", { text: `In conflict. ${told}. Their boxes are dashed.` })];
  image.others.forEach((other) => parts.push(button(`Take those of ${other.reviewer}`, () => onTake(other))));
  if (image.mine !== "open") parts.push(button("Keep mine", () => onTake(image)));
  root.replaceChildren(...parts);
}

function button(text, act) {
  const made = element("button", { type: "button", text });
  made.addEventListener("click", act);
  return made;
}

/** The part of the list around the current image; the rest is only a scroll away. */
export function showQueue(list, { items, at, onOpen }) {
  const from = Math.max(0, at - 3);
  const rows = items.slice(from, from + 40).map((item, place) => {
    const name = element("span", { text: item.id.split("/").at(-1), title: item.id }); // folders leave it no room
    const state = element("span", { text: WORDS[item.status] || item.trust.toFixed(2) });
    state.className = "state";
    const open = element("button", { type: "button" }, name, state);
    open.dataset.status = item.status;
    if (from + place === at) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => onOpen(from + place));
    return element("li", {}, open);
  });
  list.start = from + 1;
  list.replaceChildren(...rows);
}

export function fillFilter(form, setup) {
  for (const [name, values] of [["label", setup.classes], ["source", setup.sources]]) {
    values.forEach((value) => form.elements[name].append(new Option(value, value)));
  }
}

export function readFilter(form) {
  const filter = Object.fromEntries(new FormData(form));
  // An empty or impossible number asks for everything.
  const score = (text, other) => (text !== "" && Number(text) >= 0 && Number(text) <= 1 ? text : other);
  return { ...filter, min_score: score(filter.min_score, 0), max_score: score(filter.max_score, 1) };
}

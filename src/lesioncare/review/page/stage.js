// The image with its boxes: drawing, zoom and pan. Positions on the screen are pixels of the stage.

import { HANDLES, clamp, handleAt } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const MAX_ZOOM = 40;

export class Stage {
  constructor(root) {
    this.root = root;
    this.picture = root.querySelector("img");
    this.overlay = root.querySelector("svg");
    this.size = { width: 1, height: 1 };
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.fitted = true;
    this.shown = { boxes: [], others: [], selected: -1 };
    new ResizeObserver(() => (this.fitted ? this.fit() : this.place())).observe(root);
  }

  /** Show an image element that is loaded; `size` is that of the image itself, which boxes refer to. */
  show(element, size, alt) {
    const changed = size.width !== this.size.width || size.height !== this.size.height;
    this.size = size;
    element.alt = alt;
    element.draggable = false;
    element.id = "picture";
    this.picture.replaceWith(element);
    this.picture = element;
    element.style.width = `${size.width}px`;
    element.style.height = `${size.height}px`;
    if (changed || this.fitted) this.fit();
    else this.place();
  }

  /** Another picture of the same image, in the same place. */
  swap(element, alt) {
    const { fitted, scale, x, y } = this;
    this.show(element, this.size, alt);
    Object.assign(this, { fitted, scale, x, y });
    this.place();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.root;
    this.scale = Math.min(width / this.size.width, height / this.size.height) * 0.96 || 1;
    this.x = (width - this.size.width * this.scale) / 2;
    this.y = (height - this.size.height * this.scale) / 2;
    this.fitted = true;
    this.place();
  }

  /** Zoom by a factor around a point of the stage; around its middle without one. */
  zoom(factor, at = { x: this.root.clientWidth / 2, y: this.root.clientHeight / 2 }) {
    const before = this.toImage(at);
    const least = Math.min(this.root.clientWidth / this.size.width, this.root.clientHeight / this.size.height) / 2;
    this.scale = clamp(this.scale * factor, least, Math.max(MAX_ZOOM, least));
    this.x = at.x - before.x * this.scale;
    this.y = at.y - before.y * this.scale;
    this.fitted = false;
    this.place();
  }

  pan(dx, dy) {
    const { clientWidth: width, clientHeight: height } = this.root;
    // A strip of the image always stays in sight.
    this.x = clamp(this.x + dx, 40 - this.size.width * this.scale, width - 40);
    this.y = clamp(this.y + dy, 40 - this.size.height * this.scale, height - 40);
    this.fitted = false;
    this.place();
  }

  toImage(point) {
    return { x: (point.x - this.x) / this.scale, y: (point.y - this.y) / this.scale };
  }

  place() {
    this.picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.picture.style.imageRendering = this.scale > 6 ? "pixelated" : "auto";
    this.draw();
  }

  /** Pixels that the image's longer side takes on the screen. */
  get wanted() {
    return Math.ceil(Math.max(this.size.width, this.size.height) * this.scale * (window.devicePixelRatio || 1));
  }

  setBoxes(boxes, selected, others = []) {
    this.shown = { boxes, selected, others };
    this.draw();
  }

  draw() {
    const { boxes, others, selected } = this.shown;
    const focused = this.overlay.contains(document.activeElement) ? document.activeElement.dataset.box : null;
    const parts = others.map((box) => this.boxElement(box, -1, false));
    boxes.forEach((box, at) => parts.push(this.boxElement(box, at, at === selected)));
    if (boxes[selected]) parts.push(...this.handles(boxes[selected]));
    this.overlay.replaceChildren(...parts);
    if (focused != null) this.overlay.querySelector(`[data-box="${focused}"]`)?.focus();
  }

  corners(box) {
    return [box.x1, box.x2].map((v) => v * this.scale + this.x)
      .concat([box.y1, box.y2].map((v) => v * this.scale + this.y));
  }

  boxElement(box, at, selected) {
    const [x1, x2, y1, y2] = this.corners(box);
    const group = make("g", { class: `box${selected ? " selected" : ""}${at < 0 ? " other" : ""}` });
    const place = { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) };
    group.append(make("rect", { class: "under", ...place }), make("rect", { class: "edge", ...place }));
    const text = make("text", { x: x1 + 4, y: at < 0 ? y2 + 16 : Math.max(y1 - 6, 14) });
    text.textContent = box.title ?? box.label ?? "";
    group.append(text);
    if (at >= 0) {
      group.dataset.box = at;
      group.setAttribute("tabindex", "0");
      group.setAttribute("role", "button");
      group.setAttribute("aria-pressed", String(selected));
      group.setAttribute("aria-label", this.describe(box, at));
    }
    return group;
  }

  describe(box, at) {
    const corners = [box.x1, box.y1, box.x2, box.y2].map((v) => Math.round(v)).join(", ");
    const of = `Box ${at + 1} of ${this.shown.boxes.length}`;
    return `${of}, class ${box.label ?? "none"}, source ${box.source}, score ${box.score.toFixed(2)}, corners ${corners}`;
  }

  handles(box) {
    const [x1, x2, y1, y2] = this.corners(box);
    return HANDLES.flatMap((name) => {
      const { x, y } = handleAt(name, x1, y1, x2, y2);
      const grip = make("circle", { class: "grip", cx: x, cy: y, r: 13 });
      grip.dataset.handle = name;
      grip.style.cursor = `${name}-resize`;
      const dot = make("rect", { class: "handle", x: x - 4.5, y: y - 4.5, width: 9, height: 9, "pointer-events": "none" });
      return [dot, grip];
    });
  }
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

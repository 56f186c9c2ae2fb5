// New boxes, and boxes moved by keyboard.

import { clamp, moved, resized, rounded } from "./geometry.js";

/** A box half as wide and high as the part of the image that is in sight, in its middle. */
export function boxInSight(stage, size) {
  const { clientWidth: width, clientHeight: height } = stage.root;
  const [a, b] = [stage.toImage({ x: 0, y: 0 }), stage.toImage({ x: width, y: height })];
  const [x1, x2] = [clamp(a.x, 0, size.width), clamp(b.x, 0, size.width)];
  const [y1, y2] = [clamp(a.y, 0, size.height), clamp(b.y, 0, size.height)];
  const [dx, dy] = [(x2 - x1) / 4, (y2 - y1) / 4];
  return { x1: x1 + dx, y1: y1 + dy, x2: x2 - dx, y2: y2 - dy };
}

/** A box after an arrow key: moved; with Shift its right or lower edge, with Alt its left or upper edge. */
export function nudged(box, event, [dx, dy], size) {
  const length = event.ctrlKey || event.metaKey ? 10 : 1;
  const [x, y] = [dx * length, dy * length];
  if (event.shiftKey) return resized(box, dx ? "e" : "s", x, y, size);
  if (event.altKey) return resized(box, dx ? "w" : "n", x, y, size);
  return moved(box, x, y, size);
}

/** A new box of these corners, of the class that the image's other boxes have. */
export function manualBox(corners, { boxes, selected, image }) {
  const label = boxes[selected]?.label ?? boxes[0]?.label ?? image.original[0]?.label ?? null;
  return rounded({ ...corners, label, source: "manual", score: 1 });
}

/** A box as the server takes it. */
export function plain({ x1, y1, x2, y2, label, source, score }) {
  return { x1, y1, x2, y2, label, source, score };
}

// Boxes as plain numbers, in pixels of the image; no document here.

export const MIN_SIDE = 1;
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/** The box of two corners in any order, inside the image. */
export function boxOf(a, b, size) {
  const [x1, x2] = [a.x, b.x].map((x) => clamp(x, 0, size.width)).sort((p, q) => p - q);
  const [y1, y2] = [a.y, b.y].map((y) => clamp(y, 0, size.height)).sort((p, q) => p - q);
  return { x1, y1, x2, y2 };
}

/** The box moved, kept inside the image as a whole; to a tenth of a pixel. */
export function moved(box, dx, dy, size) {
  const x = clamp(dx, Math.min(-box.x1, 0), Math.max(size.width - box.x2, 0));
  const y = clamp(dy, Math.min(-box.y1, 0), Math.max(size.height - box.y2, 0));
  return rounded({ ...box, x1: box.x1 + x, x2: box.x2 + x, y1: box.y1 + y, y2: box.y2 + y });
}

/** The box with the edges of a handle ("n", "se", ...) moved, to a tenth of a pixel; it keeps a side of MIN_SIDE. */
export function resized(box, handle, dx, dy, size) {
  const to = { ...box };
  if (handle.includes("w")) to.x1 = clamp(box.x1 + dx, 0, box.x2 - MIN_SIDE);
  if (handle.includes("e")) to.x2 = clamp(box.x2 + dx, box.x1 + MIN_SIDE, size.width);
  if (handle.includes("n")) to.y1 = clamp(box.y1 + dy, 0, box.y2 - MIN_SIDE);
  if (handle.includes("s")) to.y2 = clamp(box.y2 + dy, box.y1 + MIN_SIDE, size.height);
  return rounded(to);
}

/** Where a handle is on a rectangle. */
export function handleAt(handle, x1, y1, x2, y2) {
  const x = handle.includes("w") ? x1 : handle.includes("e") ? x2 : (x1 + x2) / 2;
  const y = handle.includes("n") ? y1 : handle.includes("s") ? y2 : (y1 + y2) / 2;
  return { x, y };
}

export function sameCorners(a, b) {
  return a.x1 === b.x1 && a.y1 === b.y1 && a.x2 === b.x2 && a.y2 === b.y2;
}

/** A tenth of a pixel is enough, and keeps the saved numbers readable. */
export function rounded(box) {
  const tenth = (value) => Math.round(value * 10) / 10;
  return { ...box, x1: tenth(box.x1), y1: tenth(box.y1), x2: tenth(box.x2), y2: tenth(box.y2) };
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

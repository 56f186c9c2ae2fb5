// Mouse, finger and pen on the stage: draw, move, resize, pan and pinch.

import { boxOf, moved, resized } from "./geometry.js";

const LEAST_DRAG = 4; // pixels of the screen; less is a click

/**
 * @param stage the Stage
 * @param page { boxes(), selected(), select(at), preview(boxes, selected), commit(boxes, selected), ready(), zoomed() }
 */
export function watchPointers(stage, page) {
  const fingers = new Map();
  let drag = null;
  const overlay = stage.overlay;

  overlay.addEventListener("pointerdown", (event) => {
    if (!page.ready()) return;
    event.preventDefault();
    document.activeElement?.blur?.();
    try {
      overlay.setPointerCapture(event.pointerId);
    } catch { /* a made-up pointer cannot be captured */ }
    fingers.set(event.pointerId, place(event));
    if (fingers.size === 2) {
      cancel();
      drag = { kind: "pinch", before: spread(fingers) };
    } else if (fingers.size === 1) {
      drag = begin(event);
    }
  });

  overlay.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId) || !drag) return;
    fingers.set(event.pointerId, place(event));
    if (drag.kind === "pinch") pinch();
    else follow(place(event));
  });

  for (const name of ["pointerup", "pointercancel"]) {
    overlay.addEventListener(name, (event) => {
      if (!fingers.delete(event.pointerId)) return;
      if (drag?.kind === "pinch") {
        if (fingers.size === 0) drag = null;
        return;
      }
      if (name === "pointerup") finish(place(event));
      else cancel();
    });
  }

  overlay.addEventListener("wheel", (event) => {
    event.preventDefault();
    stage.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0018)), place(event));
    page.zoomed();
  }, { passive: false });

  function place(event) {
    const { left, top } = stage.root.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  function begin(event) {
    const at = place(event);
    const panning = event.button === 1 || stage.root.classList.contains("pan");
    if (panning) return { kind: "pan", last: at };
    if (event.button > 0) return null;
    const from = stage.toImage(at);
    // With Shift a box can be drawn over or within another one.
    if (event.shiftKey) return { kind: "draw", at, from, index: page.boxes().length };
    const handle = event.target.dataset?.handle;
    if (handle) return { kind: "resize", handle, at, from, index: page.selected() };
    const index = event.target.closest?.("[data-box]")?.dataset.box;
    if (index !== undefined) {
      page.select(Number(index));
      return { kind: "move", at, from, index: Number(index) };
    }
    return { kind: "draw", at, from, index: page.boxes().length };
  }

  function follow(at) {
    if (drag.kind === "pan") {
      stage.pan(at.x - drag.last.x, at.y - drag.last.y);
      drag.last = at;
      return;
    }
    if (Math.hypot(at.x - drag.at.x, at.y - drag.at.y) < LEAST_DRAG && !drag.begun) return;
    drag.begun = true;
    drag.to = at;
    page.preview(changed(at), drag.index);
  }

  function changed(at) {
    const to = stage.toImage(at);
    const [dx, dy] = [to.x - drag.from.x, to.y - drag.from.y];
    const boxes = [...page.boxes()];
    const box = boxes[drag.index];
    if (drag.kind === "draw") boxes.push(page.newBox(boxOf(drag.from, to, stage.size)));
    else if (drag.kind === "move") boxes[drag.index] = moved(box, dx, dy, stage.size);
    else boxes[drag.index] = resized(box, drag.handle, dx, dy, stage.size);
    return boxes;
  }

  function finish(at) {
    const ended = drag;
    if (ended?.begun) {
      const boxes = changed(at);
      const box = boxes[ended.index];
      drag = null;
      if (box && box.x2 - box.x1 >= 1 && box.y2 - box.y1 >= 1) page.commit(boxes, ended.index);
      else page.preview(page.boxes(), page.selected());
      return;
    }
    drag = null;
    if (ended?.kind === "draw") page.select(-1);
  }

  function pinch() {
    const now = spread(fingers);
    stage.zoom(now.distance / Math.max(drag.before.distance, 1), drag.before.middle);
    stage.pan(now.middle.x - drag.before.middle.x, now.middle.y - drag.before.middle.y);
    drag.before = now;
    page.zoomed();
  }

  /** End a drag where it is: a decision that comes now is about the boxes on the screen, and what the pointer
   * does afterwards must not fall on the next image. */
  function settle() {
    if (drag?.begun) finish(drag.to);
    else if (drag?.from) drag = null;
  }

  function cancel() {
    if (drag?.begun) page.preview(page.boxes(), page.selected());
    drag = null;
  }

  return { cancel, settle };
}

function spread(fingers) {
  const [a, b] = [...fingers.values()];
  return {
    distance: Math.hypot(a.x - b.x, a.y - b.y),
    middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
  };
}

// The keys: one table, which the help shows and the page obeys.

const STEP = "; with Ctrl (on a Mac Cmd) by ten";

export const KEYS = [
  [["a", "Enter"], "accept", "Accept: the boxes are right"],
  [["r"], "reject", "Reject: the boxes are wrong, leave the image out"],
  [["s"], "skip", "Skip: look at it later"],
  [["o"], "reopen", "Take the decision on this image back"],
  [["z"], "undo", "Undo the last change, on whatever image"],
  [["y"], "redo", "Redo"],
  [["j", "PageDown"], "next", "Next image"],
  [["k", "PageUp"], "previous", "Previous image"],
  [["n"], "add", "New box in the middle of what is in sight"],
  [["b"], "selectNext", "Select the next box"],
  [["B"], "selectPrevious", "Select the previous box"],
  [["Delete", "Backspace", "d"], "remove", "Delete the selected box"],
  [["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], "arrow", `Move the selected box by a pixel${STEP}; without one, pan`],
  [["Shift+Arrow"], null, `Move its right or lower edge${STEP}`],
  [["Alt+Arrow"], null, `Move its left or upper edge${STEP}`],
  [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "setClass", "Give the selected box the class of that number"],
  [["c"], "focusClass", "To the class of the selected box"],
  [["+", "="], "zoomIn", "Zoom in"],
  [["-"], "zoomOut", "Zoom out"],
  [["0"], "fit", "Fit the image"],
  [["h"], "pan", "Pan instead of draw, on and off"],
  [["m"], "layer", "Next map over the image, or none"],
  [["f"], "focusFilter", "To the filter"],
  [["l"], "focusList", "To the list of images"],
  [["t"], "theme", "Dark, light, or as the system"],
  [["?"], "help", "These keys"],
  [["Escape"], "escape", "Stop drawing; select no box; back to the image"],
];

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Call `actions[name](event, detail)` for each key, where the keyboard is not needed for something else. */
export function watchKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const arrow = ARROWS[event.key];
    if (arrow) {
      if (event.target.closest?.("select, input, .side")) return;
      event.preventDefault();
      actions.arrow(event, arrow);
      return;
    }
    const action = find(event);
    if (!action) return;
    event.preventDefault();
    actions[action](event, event.key);
  });
}

function find(event) {
  if (event.altKey) return null;
  if (event.ctrlKey || event.metaKey) {
    const key = event.key.toLowerCase();
    if (key === "z") return event.shiftKey ? "redo" : "undo";
    return key === "y" ? "redo" : null;
  }
  // Enter and space press the button that has the focus.
  if (event.key === "Enter" && event.target.closest?.("button, a, [role=button]")) return null;
  const exact = KEYS.find(([keys, action]) => action && keys.includes(event.key));
  const lower = KEYS.find(([keys, action]) => action && keys.includes(event.key.toLowerCase()));
  return (exact ?? lower)?.[1] ?? null;
}

function typing(target) {
  return Boolean(target.closest?.("input, textarea, select, [contenteditable]"));
}

export function fillHelp(body, classes) {
  const numbers = classes.slice(0, 9).map((name, at) => `${at + 1} ${name}`).join(", ");
  for (const [keys, action, meaning] of KEYS) {
    const row = body.insertRow();
    const cell = row.insertCell();
    (keys.length > 6 ? [`${keys[0]} to ${keys.at(-1)}`] : keys).forEach((key) => {
      const element = document.createElement("kbd");
      element.textContent = key;
      cell.append(element, " ");
    });
    row.insertCell().textContent = action === "setClass" && numbers ? `${meaning}: ${numbers}` : meaning;
  }
}

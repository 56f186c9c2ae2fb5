// Around the image: what is said, what is saved, and how far the review has come.

import { $, nextTheme } from "./dom.js";

const NOTICE_MS = 8000;

/** For screen readers. */
export function say(text) {
  $("said").textContent = text;
}

/** For everybody, for a while. */
export function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(notice.timer);
  if (text) notice.timer = setTimeout(() => notice(""), NOTICE_MS);
}

export function showSaved(state, count) {
  const words = {
    saved: "Saved",
    saving: "Saving",
    waiting: `Not saved yet: ${count}. The server does not answer; kept in this browser until it does.`,
  };
  $("saved").textContent = words[state];
  $("saved").dataset.state = state;
}

export function showProgress(progress, pace) {
  const time = pace.left(Math.max(progress.total - progress.done, 0));
  $("progress").max = Math.max(progress.total, 1);
  $("progress").value = progress.done;
  const conflicts = progress.conflicts ? `, ${progress.conflicts} in conflict` : "";
  $("progress-text").textContent = `${progress.done} of ${progress.total}${conflicts}${time && `, ${time}`}`;
}

/** In the middle of the stage, where there is no image to see. */
export function tell(text) {
  $("empty").hidden = !text;
  $("empty").textContent = text;
  if (text) say(text);
}

export function showNothing(progress) {
  const others = [[progress.conflicts, "in conflict"], [progress.skipped, "skipped"]].filter(([count]) => count > 0);
  const more = others.map(([count, word]) => `${count} ${word}`).join(", ");
  tell(`No more images with this filter.${more && ` Choose them as state in the filter: ${more}.`}`);
}

/** Space held down pans; buttons do what their data-do says. */
export function watchButtons(actions, stage) {
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
}

/** After mouse or finger have pressed a button or chosen from a list, keys are meant for the image again: "a"
 * must not choose from that list, nor Enter press "Reject" once more. Who came by keyboard keeps the focus. */
export function returnKeys() {
  let pointed = false;
  document.addEventListener("pointerdown", () => (pointed = true), true);
  document.addEventListener("keydown", () => (pointed = false), true);
  const leave = () => pointed && !document.querySelector("dialog[open]") && document.activeElement?.blur();
  document.addEventListener("change", leave);
  document.addEventListener("click", (event) => event.target.closest("button") && leave());
}

/** Ask for the reviewer's name; `begin` is called with a new one. */
export function watchName(reviewer, begin) {
  $("name-dialog").addEventListener("cancel", (event) => reviewer() || event.preventDefault());
  $("name-dialog").addEventListener("close", () => {
    const name = $("name").value.trim();
    if (name !== "" && name !== reviewer()) begin(name);
  });
}

export function askName(reviewer, known) {
  $("reviewers").replaceChildren(...known.map((name) => new Option(name, name)));
  $("name").value = reviewer;
  $("name-dialog").showModal();
}

/** What keys and buttons do that changes nothing about the boxes. */
export function frameActions(stage, selected) {
  return {
    focusClass: () => $("boxes").children[Math.max(selected(), 0)]?.querySelector("select")?.focus(),
    focusFilter: () => $("filter").elements.status.focus(),
    focusList: () => ($("queue").querySelector("[aria-current]") ?? $("queue").querySelector("button"))?.focus(),
    fit: () => stage.fit(),
    pan: () => {
      const on = stage.root.classList.toggle("pan");
      document.querySelector("[data-do=pan]").setAttribute("aria-pressed", String(on));
    },
    theme: nextTheme,
    help: () => $("help-dialog").showModal(),
  };
}

// The few things that every page does with the document.

export const $ = (id) => document.getElementById(id);

/** An element with text and accessible name; never markup. */
export function element(name, { text, label, pressed, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (text != null) made.textContent = text;
  if (label != null) made.setAttribute("aria-label", label);
  if (pressed != null) made.setAttribute("aria-pressed", String(pressed));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const THEMES = ["", "dark", "light"];

export function kept(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`lesioncare ${name}`) ?? "";
    localStorage.setItem(`lesioncare ${name}`, value);
  } catch { /* no storage: it is asked again */ }
  return value ?? "";
}

export function nextTheme() {
  const now = THEMES.indexOf(document.documentElement.dataset.theme ?? "");
  setTheme(THEMES[(now + 1) % THEMES.length]);
}

export function setTheme(theme = kept("theme")) {
  document.documentElement.dataset.theme = THEMES.includes(theme) ? theme : "";
  kept("theme", document.documentElement.dataset.theme);
}

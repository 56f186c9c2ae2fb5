"use strict";
(() => {
  const dialog = document.getElementById("zoom");
  const examples = [...document.querySelectorAll(".example")];
  let shown = 0;
  const show = (number) => {
    shown = (number + examples.length) % examples.length;
    dialog.firstElementChild.replaceChildren(...[...examples[shown].childNodes].map((node) => node.cloneNode(true)));
    if (!dialog.open) dialog.showModal();
  };
  examples.forEach((example, number) => {
    example.classList.add("zoomable");
    example.addEventListener("click", () => show(number));
    example.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        show(number);
      }
    });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.tagName === "BUTTON") dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") show(shown + 1);
    if (event.key === "ArrowLeft") show(shown - 1);
  });
  dialog.addEventListener("close", () => examples[shown].focus());
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();

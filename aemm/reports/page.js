"use strict";
const images = [...document.querySelectorAll(".image")];
const choices = (name) => [...document.querySelectorAll(`input[name="${name}"]`)];

function show(image, layer) {
  image.dataset.show = layer;
  for (const input of image.querySelectorAll("input")) input.checked = input.value === layer;
}

document.addEventListener("change", ({ target }) => {
  if (target.name === "theme") document.documentElement.dataset.theme = target.value;
  else if (target.name === "all") images.forEach((image) => show(image, target.value));
  else if (target.name === "group")
    images.forEach((image) => {
      image.hidden = target.value !== "every" && !image.dataset.groups.split("|").includes(target.value);
    });
  else if (target.closest(".image")) show(target.closest(".image"), target.value);
});

document.addEventListener("keydown", (event) => {
  const input = choices("all")[Number(event.key) - 1];
  if (!input || event.ctrlKey || event.altKey || event.metaKey) return;
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

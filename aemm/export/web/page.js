// The page around people.js: loads the network that stands in the page, shows pictures, people, heatmaps and tags.

"use strict";

const bytesOf = (id) => Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
const description = JSON.parse(document.getElementById("description").textContent);
const canvas = document.getElementById("picture");
const view = document.getElementById("view");
const channel = document.getElementById("channel");
const threshold = document.getElementById("threshold");
const status = document.getElementById("status");
let session = null;
let shown = null; // the picture with its maps

/** Start the engine, once. */
async function start() {
  const code = new Blob([document.getElementById("engine").textContent], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(code));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = bytesOf("wasm").buffer;
  session = await ort.InferenceSession.create(bytesOf("model"), { executionProviders: ["wasm"] });
  description.skeleton.keypoints.forEach((name, k) => channel.add(new Option(name, k)));
  const wanted = description.rules.grouping.tag_threshold;
  threshold.max = Math.max(5, 2 * wanted);
  threshold.value = wanted;
  status.textContent = "Choose a picture, or start the camera.";
  return ort;
}
const ready = start();
ready.catch((error) => (status.textContent = `the network cannot be started: ${error.message}`));

/** People in the pixels of an ImageData, with the maps that they were read from. */
async function predict(image) {
  const ort = await ready;
  const place = fitImage(image.width, image.height, description.fit);
  const planes = resample(image.data, image.width, image.height, place, description.convention);
  const input = new ort.Tensor("uint8", planes, [1, 3, place.height, place.width]);
  const outputs = await session.run({ image: input });
  const [, K, h, w] = outputs.heatmaps.dims;
  const [, T, L] = outputs.tag_maps.dims;
  const maps = { heat: outputs.heatmaps.data.slice(), tags: outputs.tag_maps.data, K, T, L, h, w };
  if (description.rules.padding === "clear") clearPadding(maps, place, image.width, image.height);
  return { image, maps, place, people: group(maps, place) };
}

/** People of maps under the threshold that the slider holds. */
function group(maps, place) {
  const grouping = { ...description.rules.grouping, tag_threshold: Number(threshold.value) };
  return decodePeople(maps, place, { ...description.rules, grouping });
}

/** A colour for a value from 0 to 1, dark to bright. */
const color = (value) => `hsl(${Math.round(280 - 230 * value)} 90% ${Math.round(10 + 55 * value)}%)`;

/** Draw the picture and what the page is asked for. */
function draw() {
  if (!shown) return;
  const { image, maps, place, people } = shown;
  const pen = canvas.getContext("2d");
  canvas.width = image.width;
  canvas.height = image.height;
  pen.putImageData(image, 0, 0);
  const k = Number(channel.value);
  if (view.value !== "people") {
    const area = maps.w * maps.h;
    const plane = view.value === "heatmaps" ? 0 : (maps.T > 1 ? k : 0) * maps.L * area;
    const values = view.value === "heatmaps" ? maps.heat.subarray(k * area, (k + 1) * area) : maps.tags.subarray(plane, plane + area);
    const low = values.reduce((a, b) => Math.min(a, b));
    const high = values.reduce((a, b) => Math.max(a, b));
    const step = place.width / maps.w / place.zoom;
    pen.globalAlpha = 0.75;
    for (let cell = 0; cell < area; cell++) {
      pen.fillStyle = color((values[cell] - low) / Math.max(high - low, 1e-6));
      const x = (cell % maps.w) * step - place.left / place.zoom;
      const y = Math.floor(cell / maps.w) * step - place.top / place.zoom;
      pen.fillRect(x, y, step + 0.5, step + 0.5);
    }
    pen.globalAlpha = 1;
  }
  pen.lineWidth = Math.max(1.5, image.width / 250);
  people.forEach((person, n) => {
    pen.strokeStyle = pen.fillStyle = `hsl(${(n * 137) % 360} 90% 60%)`;
    for (const [a, b] of description.skeleton.limbs) {
      const [from, to] = [person.keypoints[a], person.keypoints[b]];
      if (from[2] < 0.1 || to[2] < 0.1) continue;
      pen.beginPath();
      pen.moveTo(from[0], from[1]);
      pen.lineTo(to[0], to[1]);
      pen.stroke();
    }
    for (const [x, y, score] of person.keypoints) if (score >= 0.1) pen.fillRect(x - 2, y - 2, 4, 4);
  });
  status.textContent = `${people.length} people, tag threshold ${Number(threshold.value).toFixed(2)}`;
}

/** Look at a picture and draw it. */
async function show(image) {
  shown = await predict(image);
  draw();
  return shown.people;
}

/** Pixels of an image or video, no longer than 640 on a side. */
function pixelsOf(source, width, height) {
  const zoom = Math.min(1, 640 / Math.max(width, height));
  const step = description.fit.size === undefined ? description.multiple_of : 1;
  const side = (length) => Math.max(step, Math.round((length * zoom) / step) * step);
  const paper = new OffscreenCanvas(side(width), side(height));
  paper.getContext("2d").drawImage(source, 0, 0, paper.width, paper.height);
  return paper.getContext("2d").getImageData(0, 0, paper.width, paper.height);
}

document.getElementById("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file);
    await show(pixelsOf(bitmap, bitmap.width, bitmap.height));
  } catch (error) {
    status.textContent = `${file.name} cannot be shown: ${error.message}`;
  }
});

const camera = document.getElementById("camera");
camera.addEventListener("click", async () => {
  camera.disabled = true; // one loop at a time
  const video = document.createElement("video");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 320 } });
  } catch (error) {
    status.textContent = `the camera cannot be used: ${error.message}`;
    camera.disabled = false;
    return;
  }
  await video.play();
  const next = async () => {
    try {
      await show(pixelsOf(video, video.videoWidth, video.videoHeight));
    } catch (error) {
      status.textContent = `the picture of the camera cannot be shown: ${error.message}`;
      camera.disabled = false;
      return;
    }
    requestAnimationFrame(next);
  };
  next();
});

view.addEventListener("change", () => (document.getElementById("of").hidden = view.value === "people"));
for (const control of [view, channel]) control.addEventListener("change", draw);
threshold.addEventListener("input", () => {
  if (shown) shown.people = group(shown.maps, shown.place);
  draw();
});

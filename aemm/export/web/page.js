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
let asked = 0; // pictures asked for; the last one is shown
let stream = null; // of the camera while it runs
const LARGEST = 4096; // side of a picture that every browser's canvas holds, pixels

/** Start the engine, once. */
async function start() {
  const code = new Blob([document.getElementById("engine").textContent], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(code));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = bytesOf("wasm").buffer;
  session = await ort.InferenceSession.create(bytesOf("model"), { executionProviders: ["wasm"] });
  description.skeleton.keypoints.forEach((name, k) => channel.add(new Option(name, k)));
  const wanted = description.rules.grouping.tag_threshold;
  threshold.min = Math.min(0.01, wanted);
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
    const half = Math.max(2, 0.75 * pen.lineWidth);
    for (const [x, y, score] of person.keypoints) {
      if (score >= 0.1) pen.fillRect(x - half, y - half, 2 * half, 2 * half);
    }
  });
  status.textContent = `${people.length} people, tag threshold ${Number(threshold.value).toFixed(2)}`;
}

/** Look at a picture and draw it, unless another one was asked for since. */
async function show(image, number = ++asked) {
  const seen = await predict(image);
  if (number === asked) {
    shown = seen;
    draw();
  }
  return seen.people;
}

/** Pixels of an image or video on white; large ones are made smaller, as far as the network does not do so itself. */
function pixelsOf(source, width, height) {
  const fitted = description.fit.size !== undefined;
  const zoom = Math.min(1, (fitted ? LARGEST : 640) / Math.max(width, height));
  const step = fitted ? 1 : description.multiple_of;
  const side = (length) => Math.max(step, Math.round((length * zoom) / step) * step);
  const paper = new OffscreenCanvas(side(width), side(height));
  const pen = paper.getContext("2d");
  pen.fillStyle = "white"; // behind what is transparent
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.drawImage(source, 0, 0, paper.width, paper.height);
  return pen.getImageData(0, 0, paper.width, paper.height);
}

/** Show what a file holds, in place of whatever else is shown. */
async function openFile(file) {
  stopCamera();
  const number = ++asked;
  try {
    const bitmap = await createImageBitmap(file);
    await show(pixelsOf(bitmap, bitmap.width, bitmap.height), number);
  } catch (error) {
    if (number === asked) status.textContent = `${file.name} cannot be shown: ${error.message}`;
  }
}

document.getElementById("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) openFile(file);
});
document.addEventListener("dragover", (event) => event.preventDefault()); // or the browser leaves the page for the file
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) openFile(file);
});

const camera = document.getElementById("camera");

/** End the camera, if it runs. */
function stopCamera() {
  if (stream) for (const track of stream.getTracks()) track.stop();
  stream = null;
  camera.textContent = "Camera";
}

/** Show what the camera sees until it is stopped. */
async function runCamera() {
  const video = document.createElement("video");
  try {
    stream = video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 320 } });
    await video.play();
  } catch (error) {
    stopCamera();
    status.textContent = `the camera cannot be used: ${error.message}`;
    return;
  }
  camera.textContent = "Stop camera";
  const own = stream;
  const next = async () => {
    if (stream !== own) return;
    try {
      await show(pixelsOf(video, video.videoWidth, video.videoHeight));
    } catch (error) {
      stopCamera();
      status.textContent = `the picture of the camera cannot be shown: ${error.message}`;
      return;
    }
    requestAnimationFrame(next);
  };
  next();
}

camera.addEventListener("click", async () => {
  if (stream) return stopCamera();
  camera.disabled = true; // until it runs, so that there is one
  await runCamera();
  camera.disabled = false;
});

view.addEventListener("change", () => (document.getElementById("of").hidden = view.value === "people"));
for (const control of [view, channel]) control.addEventListener("change", draw);
threshold.addEventListener("input", () => {
  if (shown) shown.people = group(shown.maps, shown.place);
  draw();
});

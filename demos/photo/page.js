// The page "Your own photograph": a picture goes through the network, and what comes out is shown.

import { $ } from "../shared/dom.js";
import { asInput, middle } from "./image.js";
import { ask, best } from "./network.js";
import { paintMaps, paintPicture } from "./paint.js";

const LARGEST = 1600; // pixels of the longer side; larger pictures are made smaller first
const WORDS = ["after the first convolution", ...Array.from({ length: 7 }, (_, i) => `after stage ${i + 1}`)];
WORDS.push("after the last convolution");

let bytes, found, chosen; // the photograph as the network sees it, what it gave, and a class
let latest = 0; // the number of the last photograph: an older answer is thrown away

start();

function start() {
  $("demo").hidden = false;
  $("file").onchange = () => take($("file").files[0]);
  $("example").onclick = takeExample;
  $("overlay").onchange = showPicture;
  $("stage").onchange = showMaps;
  $("stage").append(...WORDS.map((words, i) => new Option(words, i, i === 2, i === 2)));
  addEventListener("paste", (event) => event.clipboardData.files[0] && take(event.clipboardData.files[0]));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  addEventListener("dragleave", () => $("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    else say("Nothing that can be read was dropped. Drop a file with a picture.");
  });
}

const say = (text) => {
  $("status").textContent = text;
};

async function takeExample() {
  try {
    const answer = await fetch(new URL("cat.jpg", import.meta.url));
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    await take(await answer.blob());
  } catch (error) {
    say(`The example could not be loaded: ${error.message}. Choose a photograph of your own.`);
  }
}

/** Read a file, ask the network, and show what it says; a wrong file gives a message. */
async function take(file) {
  if (!file) return;
  const number = ++latest;
  let picture;
  try {
    picture = await pixelsOf(file);
  } catch {
    return say(`“${file.name ?? "This"}” is not a picture that this browser can read. Take a JPEG, PNG or WebP file.`);
  }
  if (number !== latest) return;
  bytes = middle(picture);
  found = chosen = undefined;
  for (const id of ["answer", "maps", "overlay-choice"]) $(id).hidden = true;
  $("picture").hidden = false;
  $("picture").setAttribute("aria-label", "The middle of the photograph, as the network sees it");
  paintPicture($("picture"), bytes);
  say("The network is loading and computing …");
  try {
    const answer = await ask(asInput(bytes));
    if (number !== latest) return;
    found = answer;
  } catch (error) {
    console.warn(error);
    return say(
      `The network could not be loaded: ${error.message}. Check the connection and choose the photograph ` +
        "again. If the page is yours: “make site” fetches the part that is missing.",
    );
  }
  show();
}

/** The pixels of a file, { data, width, height }, on white where it is transparent. */
async function pixelsOf(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((side) => Math.max(Math.round(scale * side), 1));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function show() {
  const top = best(found.logits);
  chosen = top[0].index;
  $("classes").replaceChildren(...top.map(row));
  $("seconds").textContent = `Computed in ${found.seconds.toFixed(2)} s.`;
  for (const id of ["answer", "maps", "overlay-choice"]) $(id).hidden = false;
  say(`The network says: ${top.map(({ index, p }) => `${found.names[index]} ${percent(p)}`).join(", ")}.`);
  showPicture();
  showMaps();
}

const percent = (p) => `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`;

/** One class: a choice with its name, a bar and the probability. */
function row({ index, p }) {
  const label = document.createElement("label");
  label.className = "class";
  const choice = Object.assign(document.createElement("input"), { type: "radio", name: "class", value: index });
  choice.checked = index === chosen;
  choice.onchange = () => {
    chosen = index;
    showPicture();
  };
  const name = Object.assign(document.createElement("span"), { textContent: found.names[index] });
  const track = Object.assign(document.createElement("span"), { className: "track", ariaHidden: "true" });
  track.append(document.createElement("span"));
  track.firstChild.style.width = `${100 * p}%`;
  const number = Object.assign(document.createElement("span"), { className: "percent", textContent: percent(p) });
  label.append(choice, name, track, number);
  return label;
}

function showPicture() {
  const { data, dims } = found.classes;
  const size = dims[2] * dims[3];
  const map = data.subarray(chosen * size, (chosen + 1) * size);
  const withMap = $("overlay").checked;
  paintPicture($("picture"), bytes, withMap ? map : undefined);
  const name = found.names[chosen];
  $("picture").setAttribute(
    "aria-label",
    withMap ? `The photograph in grey; orange where it speaks for ${name}, most of all ${where(map, dims[3])}` : "The photograph",
  );
}

/** The place of the largest value of a map, in words. */
function where(map, width) {
  const place = map.indexOf(map.reduce((a, b) => Math.max(a, b)));
  const third = (at) => Math.min(Math.floor((3 * at) / width), 2);
  const row = ["at the top", "in the middle", "at the bottom"][third(Math.floor(place / width))];
  return `${row}, ${["left", "centre", "right"][third(place % width)]}`;
}

function showMaps() {
  const stage = Number($("stage").value);
  const maps = found.stages[stage];
  const shown = paintMaps($("grid"), maps);
  const [, channels, height, width] = maps.dims;
  $("maps-text").textContent =
    `${shown} of ${channels} maps of ${height} × ${width}, ${WORDS[stage]}. Orange is positive, purple ` +
    "negative, white zero; each map is scaled by itself.";
}

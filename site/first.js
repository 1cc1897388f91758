// The first page: a pad that a network reads, and a window that moves over a digit. What the pad needs
// is loaded at the first touch; the window computes its map from the pixels that the page holds.
"use strict";

{
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement.dataset.root;
  const demos = new URL(`${root}demos/`, document.baseURI).href;

  // --- the pad ---------------------------------------------------------------------------------------

  const bars = [...$("bars").children];
  let loading;

  /** The network and the pad, once: {pad, weights, sure} with functions to read. */
  function load() {
    loading ??= start().catch((error) => {
      loading = undefined; // the next touch tries again
      $("progress").hidden = true;
      $("pad").removeAttribute("aria-busy");
      $("verdict").textContent =
        location.protocol === "file:"
          ? "From a folder a browser may not compute this: it asks for a web server."
          : navigator.onLine
            ? `The network could not be loaded: ${error.message}. Touch the pad to try again.`
            : "You are offline, and the network was not loaded before.";
      console.warn(error);
    });
    return loading;
  }

  async function start() {
    $("progress").hidden = false;
    $("pad").setAttribute("aria-busy", "true");
    $("verdict").textContent = "Loading the network …";
    const data = import(`${demos}shared/data.js`);
    const [{ Pad, SIDE }, { normalise }, { forward, readWeights }, [manifest, buffer]] = await Promise.all([
      import(`${demos}draw/pad.js`),
      import(`${demos}shared/drawing.js`),
      import(`${demos}draw/network.js`),
      data.then(({ load }) => load(`${demos}draw/`, "weights", showProgress)),
    ]);
    const weights = readWeights(manifest, buffer);
    const { sure } = manifest.test;
    let due = false;
    const pad = new Pad($("pad"), $("paper"), $("pen"), {
      changed() {
        if (!due) {
          requestAnimationFrame(() => {
            due = false;
            pad.paint();
            read();
          });
        }
        due = true;
      },
      finished: speakSoon,
    });
    function read() {
      const steps = pad.isTooSmall ? null : normalise(pad.inkAtFullSize, SIDE);
      show(steps && forward(weights, steps.image).probabilities, sure);
      if (pad.isTooSmall) $("verdict").textContent = "Too small to be read: draw it larger.";
    }
    $("progress").hidden = true;
    $("pad").removeAttribute("aria-busy");
    $("verdict").textContent = "Ready: draw.";
    $("clear").disabled = false;
    $("clear").onclick = () => pad.clear();
    return pad;
  }

  function showProgress(bytes, of) {
    const mega = (count) => (count / 1e6).toFixed(1);
    if (of) $("progress").value = Math.min(1, bytes / of);
    $("verdict").textContent = `Loading the network: ${mega(bytes)}${of ? ` of ${mega(of)}` : ""} MB`;
  }

  const percent = (p) => (p >= 0.995 && p < 1 ? "> 99 %" : p < 0.005 ? "" : `${Math.round(100 * p)} %`);

  function show(probabilities, sure) {
    const first = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    bars.forEach((bar, digit) => {
      const p = probabilities?.[digit] ?? 0;
      bar.classList.toggle("best", digit === first);
      bar.querySelector("i").style.setProperty("--p", p.toFixed(4));
      bar.querySelector("span").textContent = probabilities ? percent(p) : "";
    });
    if (!probabilities) {
      $("verdict").textContent = "Nothing is drawn yet.";
      return;
    }
    const p = probabilities[first];
    $("verdict").innerHTML = p >= sure ? `It reads <strong>${first}</strong>` : `It is guessing: <strong>${first}</strong>`;
  }

  let speaker;
  function speakSoon() {
    clearTimeout(speaker);
    speaker = setTimeout(() => {
      const best = document.querySelector(".bars .best span")?.textContent ?? "";
      $("spoken").textContent = `${$("verdict").textContent}, ${best}`;
    }, 700);
  }

  // The first touch loads. A stroke that began before everything was there is drawn again when it is.
  const pad = $("pad");
  const waiting = [];
  const pressed = (event) => {
    $("invitation").hidden = true;
    if (pad.hasAttribute("aria-busy") || !loading) waiting.push(copyOf(event));
    load().then(replay);
  };
  const copyOf = (event) => new PointerEvent(event.type, event);
  const moved = (event) => {
    if (waiting.length && event.buttons) waiting.push(copyOf(event));
    sketch(event);
  };
  const released = (event) => {
    if (waiting.length) waiting.push(copyOf(event));
  };

  /** Until the pad's own modules are there, the stroke is shown as a plain line. */
  let last = null;
  function sketch(event) {
    if (!waiting.length || !event.buttons) return (last = null);
    const canvas = $("paper");
    const box = canvas.getBoundingClientRect();
    const point = [(event.clientX - box.left) * (280 / box.width), (event.clientY - box.top) * (280 / box.height)];
    const context = canvas.getContext("2d");
    Object.assign(context, { lineWidth: 24, lineCap: "round", strokeStyle: "#000" });
    context.beginPath();
    context.moveTo(...(last ?? point));
    context.lineTo(...point);
    context.stroke();
    last = point;
  }

  function replay(loaded) {
    if (!loaded) return waiting.splice(0);
    for (const [type, listener] of listeners) pad.removeEventListener(type, listener);
    const events = waiting.splice(0);
    if (!events.length) return undefined;
    pad.setPointerCapture = (id) => {
      try {
        Element.prototype.setPointerCapture.call(pad, id);
      } catch {
        // the stroke is over, and its pointer is gone
      }
    };
    for (const event of events) pad.dispatchEvent(event);
    return undefined;
  }
  const listeners = [
    ["pointerdown", pressed],
    ["pointermove", moved],
    ["pointerup", released],
    ["pointercancel", released],
  ];
  for (const [type, listener] of listeners) pad.addEventListener(type, listener);
  pad.addEventListener("focus", () => {
    if (!pad.matches(":focus-visible")) return;
    $("invitation").hidden = true;
    load();
  });

  // --- the window that moves over a digit --------------------------------------------------------------

  const KERNEL = [-1, 0, 1, -1, 0, 1, -1, 0, 1];
  const SIZE = 28;
  const pixels = Float32Array.from(atob(document.querySelector("[data-digit]").dataset.digit), (c) => c.charCodeAt(0) / 255);
  const map = Float32Array.from({ length: 26 * 26 }, (_, i) => sumAt(Math.floor(i / 26), i % 26));
  const input = $("window-input").getContext("2d");
  const output = $("window-output").getContext("2d");
  const cell = 8;

  function patchAt(row, column) {
    return KERNEL.map((_, i) => pixels[(row + Math.floor(i / 3)) * SIZE + column + (i % 3)]);
  }

  function sumAt(row, column) {
    return patchAt(row, column).reduce((sum, pixel, i) => sum + pixel * KERNEL[i], 0);
  }

  /** The course's colours: greys for pixels, purple and orange for numbers below and above zero. */
  const grey = (value) => `rgb(${[0, 0, 0].fill(Math.round(255 * (1 - value))).join(" ")})`;
  function signed(value) {
    const t = Math.min(1, Math.abs(value) / 3) ** 0.8;
    const end = value < 0 ? [84, 39, 136] : [179, 88, 6];
    return `rgb(${end.map((channel) => Math.round(255 + (channel - 255) * t)).join(" ")})`;
  }
  const number = (value) => value.toFixed(1).replace("-0.0", "0.0").replace("-", "−");

  $("window-products").innerHTML = KERNEL.map(
    (weight) => `<span><small></small> × <b>${weight < 0 ? "−1" : weight}</b></span>`,
  ).join("");
  const products = [...$("window-products").children];

  /** The window at a place; the map is filled up to `filled`. */
  function drawWindow(place, filled = place) {
    const [row, column] = [Math.floor(place / 26), place % 26];
    pixels.forEach((value, i) => {
      input.fillStyle = grey(value);
      input.fillRect((i % SIZE) * cell, Math.floor(i / SIZE) * cell, cell, cell);
    });
    input.lineWidth = 3;
    input.strokeStyle = "#c44e00";
    input.strokeRect(column * cell + 1, row * cell + 1, 3 * cell - 2, 3 * cell - 2);
    output.fillStyle = "#fff";
    output.fillRect(0, 0, 224, 224);
    for (let i = 0; i <= filled; i++) {
      output.fillStyle = signed(map[i]);
      output.fillRect((i % 26) * cell + cell, Math.floor(i / 26) * cell + cell, cell, cell);
    }
    output.lineWidth = 2;
    output.strokeStyle = "#00795c";
    output.strokeRect((column + 1) * cell, (row + 1) * cell, cell, cell);
    patchAt(row, column).forEach((pixel, i) => {
      products[i].firstChild.textContent = number(pixel);
      products[i].style.background = grey(pixel);
      products[i].style.color = pixel > 0.5 ? "#fff" : "#000";
    });
    $("window-value").textContent = `sum: ${number(map[place])}`;
  }

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const button = $("window-button");
  const START = 6 * 26; // above it there is only paper
  const STEP = 70; // milliseconds at a place
  let place = still.matches ? 9 * 26 + 12 : START;
  let moving = !still.matches;
  let visible = false;
  let lastStep = 0;
  function tick(time) {
    if (!moving || !visible) return;
    if (time - lastStep >= STEP) {
      lastStep = time;
      place = place >= 26 * 26 - 1 ? START : place + 1;
      drawWindow(place);
    }
    requestAnimationFrame(tick);
  }
  const go = () => requestAnimationFrame(tick);
  button.hidden = false;
  const label = () => {
    button.textContent = moving ? "Stop the window" : "Move the window";
  };
  button.onclick = () => {
    moving = !moving;
    label();
    go();
  };
  label();
  drawWindow(place, moving ? place : map.length - 1);
  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible) go();
  }).observe($("window-demo"));
}

// Pictures: a square to draw on, by mouse, finger or keyboard, and a place to drop or choose a file.

import { receives } from "./files.js";

const SIDE = 320, PEN = 26, STEP = 8;

export function drawing(make, dark) {
  const canvas = make("canvas", { className: "draw", width: SIDE, height: SIDE, tabIndex: 0, role: "img", id: "draw" });
  canvas.setAttribute("aria-label", "A square to draw on. Arrow keys move the pen, space lifts or lowers it.");
  const pen = canvas.getContext("2d"), paper = dark ? "#000" : "#fff", ink = dark ? "#fff" : "#000";
  const made = { changed() {} };
  let at = null, down = false, box = null, keys = { x: SIDE / 2, y: SIDE / 2 };

  function clear() {
    pen.fillStyle = paper;
    pen.fillRect(0, 0, SIDE, SIDE);
    box = null;
  }

  function line(from, to) {
    Object.assign(pen, { strokeStyle: ink, lineWidth: PEN, lineCap: "round", lineJoin: "round" });
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x + 0.01, to.y);
    pen.stroke();
    for (const { x, y } of [from, to]) {
      box ??= { left: x, right: x, top: y, bottom: y };
      box = { left: Math.min(box.left, x), right: Math.max(box.right, x), top: Math.min(box.top, y), bottom: Math.max(box.bottom, y) };
    }
    made.changed();
  }

  const place = (event) => {
    const edge = canvas.getBoundingClientRect(), scale = SIDE / edge.width;
    return { x: (event.clientX - edge.left) * scale, y: (event.clientY - edge.top) * scale };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    at = place(event);
    line(at, at);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!at) return;
    const to = place(event);
    line(at, to);
    at = to;
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { at = null; });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === " ") down = !down;
    else if (!move) return;
    event.preventDefault();
    const to = move ? { x: keys.x + STEP * move[0], y: keys.y + STEP * move[1] } : keys;
    const inside = { x: Math.max(0, Math.min(SIDE, to.x)), y: Math.max(0, Math.min(SIDE, to.y)) };
    if (down) line(keys, inside);
    keys = inside;
  });

  // What was drawn, in the middle of a square with a margin, as scanned characters are.
  function blob() {
    if (!box) return null;
    const side = Math.max(box.right - box.left, box.bottom - box.top) + PEN, margin = side * 0.1, whole = side + 2 * margin;
    const x = (box.left + box.right) / 2 - whole / 2, y = (box.top + box.bottom) / 2 - whole / 2;
    const out = make("canvas", { width: SIDE, height: SIDE }), to = out.getContext("2d");
    to.fillStyle = paper;
    to.fillRect(0, 0, SIDE, SIDE);
    to.drawImage(canvas, x, y, whole, whole, 0, 0, SIDE, SIDE);
    return new Promise((done) => out.toBlob(done, "image/png"));
  }

  const again = make("button", { type: "button" }, "Clear");
  again.addEventListener("click", () => { clear(); canvas.focus(); });
  clear();
  made.element = make("div", {}, make("label", { htmlFor: "draw" }, "Draw"), canvas, make("div", { className: "row" }, again));
  made.blob = blob;
  return made;
}

export function dropped(make) {
  const input = make("input", { type: "file", accept: "image/*", id: "file" });
  const shown = make("img", { className: "given", hidden: true, alt: "The picture that was chosen" });
  const element = make("div", { className: "drop" }, make("label", { className: "file" }, "Choose a picture", input),
    make("p", { className: "soft" }, "or drop one here"), shown);
  const made = { element, file: null, changed() {}, clear };

  function clear() {
    made.file = null;
    input.value = "";
    shown.hidden = true;
  }

  function take(file) {
    if (!file) return;
    made.file = file;
    URL.revokeObjectURL(shown.src);
    shown.src = URL.createObjectURL(file);
    shown.hidden = false;
    made.changed();
  }
  receives(element, input, take);
  return made;
}

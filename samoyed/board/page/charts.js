// Curves of several runs in one drawing, with the values under the pointer or the arrow keys.

const WIDTH = 340, HEIGHT = 190, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 26;

function node(tag, facts, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export const number = (v) => (v === 0 || (Math.abs(v) >= 1e-4 && Math.abs(v) < 1e6) ? v.toLocaleString("en", { maximumSignificantDigits: 4 }) : v.toExponential(2));

// Round steps between two ends: at most `most` of them.
export function ticks(low, high, most = 4, least = 0) {
  const span = high - low || Math.abs(high) || 1, raw = Math.max(span / most, least), size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((f) => f * size >= raw) * size, found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return found;
}

// lines: [{name, colour, points: [[x, y]]}], x an epoch.
export function chart(make, title, lines) {
  const kept = lines.map((line) => ({ ...line, points: line.points.filter(([, y]) => Number.isFinite(y)) })).filter((line) => line.points.length);
  const xs = kept.flatMap((line) => line.points.map(([x]) => x)), ys = kept.flatMap((line) => line.points.map(([, y]) => y));
  const said = make("output", {}), figure = make("figure", {}, make("h3", {}, title));
  if (!kept.length) {
    figure.append(make("p", { className: "soft" }, "Nothing yet."));
    return figure;
  }
  const least = Math.min(...ys), most = Math.max(...ys), room = (most - least || Math.abs(most) || 1) * 0.06;
  const low = least >= 0 && least < room * 4 ? 0 : least - room, high = most + room, first = Math.min(...xs), last = Math.max(...xs, first + 1);
  const x = (v) => LEFT + ((v - first) * (WIDTH - LEFT - RIGHT)) / (last - first), y = (v) => TOP + ((high - v) * (HEIGHT - TOP - BOTTOM)) / (high - low);
  const svg = node("svg", { class: "curves", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", tabindex: 0, "aria-label": `${title}, by epoch: ${kept.map((l) => `${l.name} ${number(l.points.at(-1)[1])}`).join(", ")}` });
  for (const v of ticks(low, high)) {
    svg.append(node("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v) }), node("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, number(v)));
  }
  for (const v of ticks(first, last, 5, 1)) svg.append(node("text", { x: x(v), y: HEIGHT - 8, "text-anchor": "middle" }, v.toLocaleString("en")));
  for (const line of kept) {
    const points = line.points.length > 1 ? line.points : [line.points[0], [line.points[0][0] + 0.02, line.points[0][1]]];
    svg.append(node("polyline", { class: line.colour, "stroke-linecap": "round", points: points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ") }));
  }
  const mark = node("line", { class: "here", y1: TOP, y2: HEIGHT - BOTTOM, x1: 0, x2: 0, visibility: "hidden" });
  svg.append(mark);
  let at = null;
  function look(epoch) {
    at = Math.max(first, Math.min(Math.max(...xs), epoch));
    mark.setAttribute("x1", x(at));
    mark.setAttribute("x2", x(at));
    mark.setAttribute("visibility", "visible");
    const values = kept.map((line) => [line, line.points.find(([v]) => v === at)]).filter(([, point]) => point);
    said.textContent = `epoch ${at}: ${values.map(([line, point]) => (kept.length > 1 ? `${line.name} ` : "") + number(point[1])).join(", ")}`;
  }
  svg.addEventListener("pointermove", (event) => {
    const edge = svg.getBoundingClientRect(), place = ((event.clientX - edge.left) / edge.width) * WIDTH;
    look(Math.round(first + ((place - LEFT) * (last - first)) / (WIDTH - LEFT - RIGHT)));
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    look((at ?? Math.max(...xs)) + (at === null ? 0 : step));
  });
  figure.append(svg, said);
  return figure;
}

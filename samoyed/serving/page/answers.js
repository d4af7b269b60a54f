// Answers drawn: probabilities as bars, a forecast with its past, a text, or a table of whatever it holds; and why.

const SHOWN = 10;

export async function show(make, answer, beside, why) {
  const parts = [];
  if (answer.label !== undefined) parts.push(make("p", { className: "first", id: "label" }, String(answer.label)));
  if (answer.text !== undefined && !answer.strokes) parts.push(make("p", { className: "first", id: "text" }, answer.text || "(nothing)"));
  if (Array.isArray(answer.labels)) parts.push(make("p", { className: "first", id: "label" }, answer.labels.join(", ") || "no label"));
  if (Array.isArray(answer.intervals)) parts.push(make("p", { className: "first", id: "label" }, [...new Set(answer.intervals.map(({ tag }) => tag))].join(", ") || "no tag"));
  if (answer.probs) parts.push((Object.values(answer.probs).some(Array.isArray) ? lanes : bars)(make, answer.probs));
  if (Array.isArray(answer.weights) && Array.isArray(answer.weights[0])) {
    parts.push(words(make, answer.weights.map(([text, weight]) => ({ text: `${text} `, weight }))));
    parts.push(make("p", { className: "soft" }, "Blue words speak for the answer, orange ones against it."));
  }
  if (answer.forecast) parts.push(chart(answer, pastOf(answer, beside)), forecast(make, answer));
  if (answer.continuation !== undefined) {
    parts.push(make("p", { className: "text", id: "text" }, make("b", {}, answer.beginning), answer.continuation));
    if (answer.next) parts.push(make("h2", {}, "Likeliest next"), bars(make, answer.next));
  }
  if (Array.isArray(answer.strokes)) parts.push(ink(answer));
  const drawn = ["strokes", "given", "input", "label", "labels", "probs", "forecast", "low", "high", "times", "target", "beginning", "continuation", "next", "weights", "weights by", "text", "words", "begins"];
  const rest = Object.entries(answer).filter(([name]) => !drawn.includes(name));
  const several = rest.filter(([, value]) => lists(value)), plain = rest.filter(([, value]) => !lists(value));
  if (plain.length) parts.push(table(make, plain));
  for (const [name, value] of several) parts.push(make("details", {}, make("summary", {}, titled(name)), listed(make, value)));
  if (why) parts.push(...(await reasons(make, why, beside)));
  return parts;
}

function bars(make, probs) {
  const rows = Object.entries(probs).sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  return make("div", { className: "bars" }, ...rows.flatMap(([name, p]) => {
    const fill = make("i");
    fill.style.width = `${Math.max(0, Math.min(1, p)) * 100}%`;
    const shown = /^\s+$/.test(name) ? JSON.stringify(name).slice(1, -1).replaceAll(" ", "space") : name;
    return [make("span", { className: "name" }, shown), make("span", { className: "bar", ariaHidden: "true" }, fill), make("span", {}, `${(100 * p).toFixed(1)} %`)];
  }));
}

// The probability of each tag from the first frame to the last, and its largest; those that come nearest to certain.
function lanes(make, probs) {
  const ranked = Object.entries(probs).map(([name, row]) => [name, row, Math.max(...row)]).sort((a, b) => b[2] - a[2]).slice(0, SHOWN);
  return make("div", { className: "bars", id: "lanes" }, ...ranked.flatMap(([name, row, most]) => {
    const facts = { class: "lane", viewBox: `0 0 ${row.length} 1`, preserveAspectRatio: "none", role: "img", "aria-label": `${name} from the first frame to the last` };
    const lane = shape("svg", facts), points = row.flatMap((p, i) => [`${i},${1 - p}`, `${i + 1},${1 - p}`]);
    lane.append(shape("polygon", { points: ["0,1", ...points, `${row.length},1`].join(" ") }));
    return [make("span", { className: "name" }, name), lane, make("span", {}, `${(100 * most).toFixed(1)} %`)];
  }));
}

const titled = (name) => name.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
const lists = (value) => Array.isArray(value) && value.length > 0 && value.every((row) => row && typeof row === "object" && !Array.isArray(row));

// Rows of one form, such as other captions with their log-probabilities.
function listed(make, rows) {
  const names = Object.keys(rows[0]), cell = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value ?? ""));
  const head = make("tr", {}, ...names.map((name) => make("th", {}, name.replaceAll("_", " "))));
  const lines = rows.map((row) => make("tr", {}, ...names.map((name) => make("td", {}, cell(row[name])))));
  return make("div", { className: "wide" }, make("table", {}, make("tbody", {}, head, ...lines)));
}

function table(make, rows) {
  const cell = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const lines = rows.map(([name, value]) => make("tr", {}, make("th", {}, name.replaceAll("_", " ")), make("td", {}, cell(value))));
  return make("div", { className: "wide" }, make("table", {}, make("tbody", {}, ...lines)));
}

function shape(tag, facts, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(facts)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Strokes of a pen, those that were given in grey.
function ink(answer) {
  const all = answer.strokes.flat(), xs = all.map(([x]) => x), ys = all.map(([, y]) => y);
  const least = [Math.min(...xs), Math.min(...ys)], most = [Math.max(...xs), Math.max(...ys)];
  const side = Math.max(most[0] - least[0], most[1] - least[1]) || 1, edge = 0.06 * side;
  const seen = [least[0] - edge, least[1] - edge, most[0] - least[0] + 2 * edge, most[1] - least[1] + 2 * edge].join(" ");
  const svg = shape("svg", { class: "ink", role: "img", "aria-label": answer.text ? `${answer.text}, written by hand` : "A drawing", viewBox: seen });
  answer.strokes.forEach((stroke, i) => {
    const points = [...stroke, stroke[stroke.length - 1]].map((point) => point.join(",")).join(" ");
    svg.append(shape("polyline", { points, "stroke-width": 0.012 * side, ...(i < (answer.given ?? 0) ? { class: "past" } : {}) }));
  });
  return svg;
}

// The values before the forecast: those that were sent, or the target's column of the table that was.
function pastOf(answer, beside) {
  if (beside.past) return beside.past;
  const lines = (beside.table ?? "").split(/\r?\n/).filter((line) => line.trim());
  const mark = [",", ";", "\t", "|"].find((m) => lines[0]?.includes(m)) ?? ",";
  const at = (lines[0] ?? "").split(mark).map((name) => name.trim().replace(/^"|"$/g, "")).indexOf(answer.target);
  return at < 0 ? [] : lines.slice(1).map((line) => Number(line.split(mark)[at])).filter(Number.isFinite);
}

function chart(answer, past) {
  const width = 480, height = 260, left = 46, bottom = 26, kept = past.slice(-6 * answer.forecast.length);
  const all = [...kept, ...answer.forecast, ...(answer.low ?? []), ...(answer.high ?? [])].filter(Number.isFinite);
  const least = Math.min(...all), most = Math.max(...all), count = kept.length + answer.forecast.length;
  const x = (i) => left + (i * (width - left - 6)) / Math.max(1, count - 1);
  const y = (v) => 8 + ((most - v) * (height - bottom - 14)) / (most - least || 1);
  const points = (values, from) => values.map((v, i) => `${x(from + i).toFixed(1)},${y(v).toFixed(1)}`);
  const svg = shape("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${answer.target}: the past and the forecast` });
  for (const value of [least, (least + most) / 2, most]) {
    svg.append(shape("line", { class: "axis", x1: left, x2: width - 6, y1: y(value), y2: y(value) }));
    svg.append(shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(3)).toLocaleString("en")));
  }
  if (answer.low) svg.append(shape("polygon", { class: "band", points: [...points(answer.high, kept.length), ...points(answer.low, kept.length).reverse()].join(" ") }));
  if (kept.length) svg.append(shape("polyline", { class: "past", points: points(kept, 0).join(" ") }));
  const join = kept.length ? [kept[kept.length - 1], ...answer.forecast] : answer.forecast;
  svg.append(shape("polyline", { class: "future", points: points(join, kept.length - (kept.length ? 1 : 0)).join(" ") }));
  const when = [...new Set([answer.times?.[0], answer.times?.at(-1)])].filter(Boolean).join(" to ");
  svg.append(shape("text", { x: width - 6, y: height - 6, "text-anchor": "end" }, when));
  return svg;
}

function forecast(make, answer) {
  const number = (v) => Number(v.toPrecision(5)).toLocaleString("en");
  const head = make("tr", {}, ...["", answer.target, ...(answer.low ? ["band"] : [])].map((name) => make("th", {}, name)));
  const lines = answer.forecast.map((v, i) => make("tr", {}, make("td", {}, answer.times[i]), make("td", {}, number(v)),
    ...(answer.low ? [make("td", { className: "soft" }, `${number(answer.low[i])} to ${number(answer.high[i])}`)] : [])));
  return make("details", {}, make("summary", {}, "In numbers"), make("div", { className: "wide" }, make("table", {}, make("tbody", {}, head, ...lines))));
}

// Why: {heat: [H][W], signed or not} laid on the picture, or on a spectrogram, a line or a strip of frames that come with it; {heats:
// [{word, heat}]} the same for each word of a caption, {parts: [{text, weight}]} as shaded words, and {sentence}.
async function reasons(make, why, beside) {
  const parts = [make("h2", {}, "Why")];
  if (why.heat && beside.picture && !why.line) parts.push(await heat(make, why.heat, beside.picture));
  if (why.heats && beside.picture) parts.push(await looks(make, why.heats, beside.picture));
  const drawn = ["spectrogram", "line", "strip"].find((name) => why[name]);
  if (drawn && why.heat) parts.push(grid(make, why[drawn], why.heat, drawn));
  if (why.symbols) parts.push(make("p", { className: "soft", id: "symbols" }, why.symbols.map(({ symbol, at, in: unit }) => `${symbol === " " ? "␣" : symbol} ${unit === "seconds" ? `${at.toFixed(2)} s` : Math.round(at)}`).join(" · ")));
  if (why.each?.length > 1) parts.push(...why.each.slice(0, SHOWN).flatMap(({ label, parts: some }) => [make("h3", {}, label), words(make, some)]));
  else if (why.parts) parts.push(words(make, why.parts));
  if (why.sentence) parts.push(make("p", { className: "soft" }, why.sentence));
  return parts;
}

// Words shaded by what they weigh.
function words(make, pairs) {
  const most = Math.max(...pairs.map((part) => Math.abs(part.weight)), 1e-12);
  return make("p", { className: "text", id: "words" }, ...pairs.map(({ text, weight }) => {
    const word = make("span", { className: "word", title: weight.toPrecision(3) }, text);
    word.style.background = `rgb(${weight < 0 ? "213 94 0" : "0 114 178"} / ${(Math.abs(weight) / most) * 0.6})`;
    return word;
  }));
}

// What was given as rows of numbers, grey, under the heat; a spectrogram has its lowest band below.
function grid(make, given, values, kind) {
  const rows = given.length, columns = given[0].length, canvas = make("canvas", { width: columns, height: rows, className: `grid ${kind}`, id: "why" });
  const pen = canvas.getContext("2d"), all = given.flat(), least = Math.min(...all), span = Math.max(...all) - least || 1;
  const most = Math.max(...values.flat().map(Math.abs), 1e-12);
  given.forEach((row, i) => row.forEach((value, j) => {
    const y = kind === "spectrogram" ? rows - 1 - i : i, grey = Math.round((255 * (value - least)) / span), weight = values[i][j];
    pen.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    pen.fillRect(j, y, 1, 1);
    pen.fillStyle = `rgb(${weight < 0 ? "213 94 0" : "0 114 178"} / ${(Math.abs(weight) / most) * 0.7})`;
    pen.fillRect(j, y, 1, 1);
  }));
  return make("figure", {}, canvas);
}

async function heat(make, values, picture) {
  const image = await createImageBitmap(picture), side = 256, canvas = make("canvas", { width: side, height: side, id: "why" });
  const pen = canvas.getContext("2d"), rows = values.length, columns = values[0].length;
  const most = Math.max(...values.flat().map(Math.abs), 1e-12), short = Math.min(image.width, image.height);
  pen.drawImage(image, (image.width - short) / 2, (image.height - short) / 2, short, short, 0, 0, side, side);
  values.forEach((row, i) => row.forEach((value, j) => {
    pen.fillStyle = `rgb(${value < 0 ? "213 94 0" : "0 114 178"} / ${(Math.abs(value) / most) * 0.7})`;
    pen.fillRect((j * side) / columns, (i * side) / rows, side / columns + 0.5, side / rows + 0.5);
  }));
  return make("figure", {}, canvas, make("figcaption", {}, "Blue speaks for the answer, orange against it."));
}

// The picture once for each word, bright where the word was looked for.
async function looks(make, heats, picture) {
  const image = await createImageBitmap(picture), side = 112, short = Math.min(image.width, image.height);
  const figures = heats.map(({ word, heat: values }) => {
    const canvas = make("canvas", { width: side, height: side }), pen = canvas.getContext("2d");
    const small = make("canvas", { width: values[0].length, height: values.length }), dots = small.getContext("2d");
    const most = Math.max(...values.flat(), 1e-12);
    values.forEach((row, i) => row.forEach((value, j) => {
      dots.fillStyle = `rgb(255 255 255 / ${value / most})`;
      dots.fillRect(j, i, 1, 1);
    }));
    pen.drawImage(small, 0, 0, side, side); // how bright, smoothed
    pen.globalCompositeOperation = "source-in";
    pen.drawImage(image, (image.width - short) / 2, (image.height - short) / 2, short, short, 0, 0, side, side);
    pen.globalCompositeOperation = "destination-over";
    pen.filter = "brightness(0.3)";
    pen.drawImage(image, (image.width - short) / 2, (image.height - short) / 2, short, short, 0, 0, side, side);
    return make("figure", { className: "look" }, canvas, make("figcaption", {}, word));
  });
  return make("div", { className: "looks", id: "looks" }, ...figures);
}

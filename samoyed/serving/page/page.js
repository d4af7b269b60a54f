// The page of a served run: what to give, by kind of example, and the answer drawn. Nothing is asked of any other host.
import { chooser, receives } from "./files.js";
import { drawing, dropped } from "./pictures.js";
import { recorded } from "./sounds.js";
import { show } from "./answers.js";

const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("token") ?? "";
if (location.hash.startsWith("#token=")) {
  token = decodeURIComponent(location.hash.slice(7));
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname);
}

async function ask(path, options = {}) {
  const headers = { ...(options.headers ?? {}), ...(token ? { authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw { error: "the server cannot be reached", remedy: "see whether it still runs" };
  }
  const found = await response.json();
  if (!response.ok) throw { status: response.status, ...found };
  return found;
}

function make(tag, facts = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) name in made ? (made[name] = value) : made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

// What can be given: a kind of example -> elements, and a function that says what is sent and what the answer is drawn beside.

const kinds = {
  Image(about) {
    const drop = dropped(make), grey = about.sizes.image_shape?.[0] === 1, canvas = drawing(make, about.dark ?? true);
    let last = grey ? "drawn" : "dropped";
    canvas.changed = () => { last = "drawn"; drop.clear(); };
    drop.changed = () => { last = "dropped"; };
    const form = grey ? [canvas.element, make("p", { className: "soft" }, "or"), drop.element] : [drop.element, draw(canvas)];
    return {
      elements: form,
      async send() {
        const blob = last === "drawn" ? await canvas.blob() : drop.file;
        if (!blob) throw { error: "there is no picture yet", remedy: last === "drawn" ? "draw one" : "choose a file" };
        return { body: blob, type: blob.type || "application/octet-stream", beside: { picture: blob } };
      },
    };
  },
  Series(about) {
    const area = make("textarea", { id: "values", spellcheck: false, placeholder: "Month,passengers\n1949-01,112\n1949-02,118\n…" });
    const file = chooser(make, "Choose a CSV", ".csv,.tsv,text/csv", async (chosen) => { area.value = await chosen.text(); });
    return {
      elements: [make("label", { htmlFor: "values" }, "A table with a header, or numbers alone"), area, make("div", { className: "row" }, file)],
      async send() {
        const text = area.value.trim();
        const numbers = text.split(/[\s,;]+/).map(Number);
        if (!text) throw { error: "there is no series yet", remedy: "paste one" };
        if (numbers.every(Number.isFinite)) return json({ values: numbers }, { past: numbers });
        return { body: text, type: "text/csv", beside: { table: text } };
      },
    };
  },
};

// A file that is sent as it is: of kinds that nobody types or draws.
function upload(text, accept) {
  const input = make("input", { type: "file", accept, id: "file" }), name = make("p", { className: "soft" }, "or drop one here");
  const element = make("div", { className: "drop" }, make("label", { className: "file" }, text, input), name);
  let file = null;
  receives(element, input, (chosen) => { if (chosen) { file = chosen; name.textContent = chosen.name; } });
  return {
    elements: [element],
    async send() {
      if (!file) throw { error: "there is no file yet", remedy: "choose one" };
      return { body: file, type: "application/octet-stream", beside: {} };
    },
  };
}
kinds.Recording = kinds.LabelledRecording = kinds.Utterance = () => {
  const sound = recorded(make);
  return {
    elements: [sound.element],
    async send() {
      await sound.finish(); // asked while it records
      if (!sound.file) throw { error: "there is no recording yet", remedy: "record one, or choose a file" };
      return { body: sound.file, type: "application/octet-stream", beside: {} };
    },
  };
};
kinds.CaptionedImage = kinds.TextLine = kinds.Image;
kinds.Clip = kinds.TaggedClip = () => upload("Choose a GIF or a video", ".gif,.webp,.apng,.png,video/*");
kinds.Volume = () => upload("Choose a .npy or a TIFF of several pages", ".npy,.tif,.tiff");

function fields(about) {
  const areas = Object.entries(about.fields).map(([name, type], i) => {
    const area = make("textarea", { id: `field-${name}`, spellcheck: type === "str" });
    const asked = { text: about.options.length === undefined || about.example === "Drawing" ? "A text" : "A beginning" }[name] ?? name;
    return { name, type, area, label: make("label", { htmlFor: area.id }, type === "str" ? asked : `${asked}, as JSON`) };
  });
  const file = areas.length === 1 && areas[0].type === "str"
    ? [make("div", { className: "row" }, chooser(make, "Choose a text file", ".txt,text/plain", async (chosen) => { areas[0].area.value = await chosen.text(); }))]
    : [];
  return {
    elements: [...areas.flatMap(({ label, area }) => [label, area]), ...file],
    async send() {
      const value = {};
      for (const { name, type, area } of areas) {
        try {
          value[name] = type === "str" ? area.value : JSON.parse(area.value);
        } catch {
          throw { error: `${name} is not JSON`, remedy: about.send };
        }
      }
      return json(value, {});
    },
  };
}

const json = (value, beside) => ({ body: value, type: "application/json", beside });
const draw = (canvas) => make("details", {}, make("summary", {}, "or draw one"), canvas.element);

function options(about) {
  const numbers = Object.entries(about.options).filter(([, value]) => typeof value === "number" && !Array.isArray(value));
  const inputs = numbers.map(([name, value]) => make("input", { type: "number", name, value, step: "any", min: 0 }));
  const labels = inputs.map((input) => make("label", {}, input.name.replaceAll("_", " "), input));
  return {
    elements: labels.length ? [make("div", { className: "row options" }, ...labels)] : [],
    values: () => Object.fromEntries(inputs.filter((i) => i.value !== "").map((i) => [i.name, Number(i.value)])),
  };
}

function failed(reason) {
  const text = make("p", { className: "wrong", role: "alert" }, reason.error ?? String(reason));
  $("answer").replaceChildren(text, ...(reason.remedy ? [make("p", { className: "soft" }, reason.remedy)] : []));
}

function open(about) {
  document.title = `${about.task} · Samoyed`;
  $("title").textContent = about.task.replaceAll("-", " ").replace(/^./, (letter) => letter.toUpperCase());
  $("about").textContent = `${about.model}, ${about.parameters.toLocaleString("en")} parameters` +
    (about.classes.length ? `, ${about.classes.length} classes` : "");
  const given = (kinds[about.example] ?? fields)(about), set = options(about);
  const button = make("button", { type: "submit" }, about.options.length === undefined ? "Answer" : about.example === "Drawing" ? "Write" : "Write on");
  $("input").replaceChildren(...given.elements, ...set.elements, make("div", { className: "row" }, button));
  $("input").addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    $("answer").setAttribute("aria-busy", "true");
    try {
      const { body, type, beside } = await given.send();
      const packed = type === "application/json" ? JSON.stringify({ ...body, options: set.values() }) : body;
      const post = { method: "POST", body: packed, headers: { "content-type": type } };
      const answer = await ask("predict", post);
      const why = about.explains ? await ask("explain", post).catch(() => null) : null;
      $("answer").replaceChildren(...(await show(make, answer, beside, why)));
    } catch (reason) {
      failed(reason);
    } finally {
      button.disabled = false;
      $("answer").removeAttribute("aria-busy");
    }
  });
  const measured = Object.entries(about.metrics).map(([name, m]) => `${name} ${m.value.toPrecision(3)} ${m.unit} (${m.low.toPrecision(3)} to ${m.high.toPrecision(3)})`);
  $("measured").textContent = measured.length ? `Measured on data not seen in training: ${measured.join(", ")}.` : "";
  const bearer = token ? '-H "Authorization: Bearer $SAMOYED_TOKEN" ' : "";
  const example = (about.fields.pixels ? "-F file=@picture.png" : { Series: "-F file=@series.csv", Recording: "-F file=@recording.wav", Utterance: "-F file=@recording.wav", LabelledRecording: "-F file=@recording.wav", Clip: "-F file=@clip.gif", TaggedClip: "-F file=@clip.gif", Volume: "-F file=@scan.npy" }[about.example]) ??
    `-H 'Content-Type: application/json' -d '${JSON.stringify(Object.fromEntries(Object.keys(about.fields).map((n) => [n, "..."])))}'`;
  $("curl").textContent = `curl ${bearer}${example} ${location.origin}/predict`;
  $("login").hidden = true;
  for (const part of document.querySelectorAll("main, footer")) part.hidden = false;
}

async function begin() {
  try {
    open(await ask("describe"));
  } catch (reason) {
    if (reason.status !== 401) $("about").textContent = reason.error ?? String(reason);
    $("login").hidden = reason.status !== 401;
    if (reason.status === 401) $("token").focus();
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("token", token);
  begin();
});
begin();

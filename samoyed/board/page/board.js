// The board: the runs of a folder, their curves as they grow, and runs side by side. Nothing is asked of any other host.
import { chart, number } from "./charts.js";

const $ = (id) => document.getElementById(id);
const EVERY = 2000, COLOURS = 7, MOST = 16;
let runs = [], open = decodeURIComponent(location.hash.slice(1)) || null, drawn = "", busy = false, lost = false;
let together = false; // whether those chosen are shown, or the one that is open: what was touched last
const chosen = new Set(), known = new Map(); // names of runs; what was fetched of each

function make(tag, facts = {}, ...parts) {
  const made = Object.assign(document.createElement(tag), facts);
  made.append(...parts.filter((part) => part !== null && part !== undefined));
  return made;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw { error: "the board cannot be reached", remedy: "see whether it still runs" };
  }
  const found = await response.json();
  if (!response.ok) throw found;
  return found;
}

function wrong(reason) {
  $("wrong").hidden = !reason;
  $("wrong").textContent = reason ? [reason.error ?? String(reason), reason.remedy].filter(Boolean).join("; ") : "";
}

const ago = (s) => (s < 90 ? `${s} s` : s < 5400 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`);

function state(run) {
  const kind = run.state === "in progress" ? "live" : /^(failed|damaged|silent)/.test(run.state) ? "bad" : "";
  return make("span", { className: `state ${kind}` }, run.state === "silent" ? `silent for ${ago(run.silent)}` : run.state);
}

function about(run) {
  if (run.figure) return `${run.figure.name} ${number(run.figure.value)} (${number(run.figure.low)} to ${number(run.figure.high)}) ${run.figure.unit}`;
  if (run.last) return `epoch ${run.done}, ${run.watch} ${number(run.last.valid[run.watch] ?? run.last.loss)} on validation`;
  return run.state.startsWith("damaged") ? "cannot be read" : "no epoch yet";
}

function listed() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((run) => words.every((word) => `${run.run} ${run.task} ${run.model} ${run.state}`.toLowerCase().includes(word)));
}

function list() {
  const focus = document.activeElement?.dataset?.key, found = listed();
  $("list").replaceChildren(...found.map((run) => {
    const box = make("input", { type: "checkbox", checked: chosen.has(run.run), ariaLabel: `Choose ${run.run}` });
    box.dataset.key = `box ${run.run}`;
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(run.run);
      else chosen.delete(run.run);
      together = chosen.size > 0;
      tools();
      list();
      refresh();
    });
    const button = make("button", { type: "button", ariaCurrent: String(!together && open === run.run) }, make("b", {}, run.run), state(run),
      make("span", { className: "figure" }, make("br"), about(run)), make("small", {}, [run.task, run.model].filter(Boolean).join(", ")));
    button.dataset.key = `run ${run.run}`;
    button.addEventListener("click", () => {
      open = run.run;
      together = false;
      history.replaceState(null, "", `#${encodeURIComponent(open)}`);
      list();
      refresh();
      if (matchMedia("(max-width: 59.99rem)").matches) $("shown").scrollIntoView();
    });
    return make("li", { className: (together ? chosen.has(run.run) : open === run.run) ? "open" : "" }, make("label", {}, box), button);
  }));
  $("none").hidden = found.length > 0;
  $("none").textContent = runs.length ? "No run is like that." : "There are no runs yet: samoyed train TASK makes one.";
  $("list-title").textContent = found.length === runs.length ? `All ${runs.length}` : `${found.length} of ${runs.length}`;
  if (focus) document.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
}

function tools() {
  $("compare").disabled = busy || chosen.size < 2 || chosen.size > MOST;
  $("clear").disabled = chosen.size === 0;
  $("chosen").textContent = busy ? "measuring on the same examples ..." : chosen.size ? `${chosen.size} chosen` : "";
}

// What is known of a run, with the epochs that came since.
async function fetched(name) {
  const before = known.get(name), begin = before?.epochs.length ?? 0;
  const found = await ask(`run.json?name=${encodeURIComponent(name)}&begin=${begin}`);
  if (found.count < begin) {
    known.delete(name);
    return fetched(name);
  }
  found.epochs = [...(before?.epochs ?? []), ...found.epochs];
  known.set(name, found);
  return found;
}

async function refresh() {
  const names = (together ? [...chosen] : [open]).filter((name) => runs.some((run) => run.run === name));
  if (!names.length) return;
  const found = await Promise.all(names.map(fetched));
  const mark = JSON.stringify(found.map((one) => [one.run, one.count, one.state, one.report]));
  if (mark === drawn) return;
  drawn = mark;
  const unfolded = document.querySelector("#detail details")?.open ?? false;
  $("detail").replaceChildren(...detail(found));
  const details = document.querySelector("#detail details");
  if (details) details.open = unfolded;
}

function detail(found) {
  const first = found[0], colour = (i) => `c${i % COLOURS}`;
  const parts = [];
  if (found.length > 1) parts.push(make("ul", { className: "key" }, ...found.map((one, i) => make("li", {}, make("i", { className: colour(i) }), `${one.run}, ${one.model}`))));
  else parts.push(...head(first));
  const lines = (of) => found.map((one, i) => ({ name: one.run, colour: colour(i), points: one.epochs.map((e) => [e.epoch, of(e)]) }));
  const metrics = [...new Set(found.flatMap((one) => Object.keys(one.epochs.at(-1)?.valid ?? {})))].sort((a, b) => (b === first.watch) - (a === first.watch));
  const unit = (name) => found.map((one) => one.units[name]).find(Boolean);
  if (found.some((one) => one.count)) {
    parts.push(make("div", { className: "charts" },
      ...metrics.slice(0, 6).map((name) => chart(make, `${name}${unit(name) ? ` (${unit(name)})` : ""}, validation`, lines((e) => e.valid[name]))),
      chart(make, "objective, training", lines((e) => e.loss)), chart(make, "learning rate", lines((e) => e.learning_rate)),
      chart(make, "norm of the gradient", lines((e) => e.gradient_norm))));
  } else parts.push(make("p", { className: "soft" }, first.figure ? "This model is fitted at once, and has no epochs." : "No epoch has ended yet."));
  if (found.length === 1) parts.push(...told(first));
  $("shown-title").textContent = found.length > 1 ? `${found.length} runs` : first.run;
  return parts;
}

function head(run) {
  const numbers = [];
  if (run.figure) numbers.push([`${number(run.figure.value)} ${run.figure.unit}`, `${run.figure.name} on the test split, ${number(run.figure.low)} to ${number(run.figure.high)}`]);
  else if (run.last) numbers.push([number(run.last.valid[run.watch] ?? run.last.loss), `${run.watch} on validation, epoch ${run.done}`]);
  if (run.parameters !== null) numbers.push([run.parameters.toLocaleString("en"), "parameters"]);
  const best = run.epochs.filter((e) => e.best).at(-1), spent = run.epochs.reduce((all, e) => all + e.seconds, 0);
  if (best) numbers.push([`epoch ${best.epoch}`, `best of ${run.count} on validation`]);
  numbers.push([ago(Math.round(run.seconds ?? spent)), run.figure ? "training" : "training so far"]);
  return [make("p", {}, state(run), " ", `${run.task}, ${run.model}`, run.report ? make("span", {}, "  ", make("a", { href: `report?name=${encodeURIComponent(run.run)}` }, "report")) : null),
    run.state === "silent" ? make("p", { className: "soft" }, `Nothing of it has changed for ${ago(run.silent)}. If its process has ended, samoyed resume goes on with it.`) : null,
    make("div", { className: "numbers" }, ...numbers.map(([value, text]) => make("div", {}, make("b", {}, value), make("span", {}, text))))].filter(Boolean);
}

function told(run) {
  const rows = Object.entries(run.settings).filter(([, text]) => text !== "none");
  return [make("details", {}, make("summary", {}, "What it was told"),
    make("dl", { className: "pairs" }, ...rows.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)))),
    run.command ? make("pre", {}, run.command) : null)];
}

async function look() {
  try {
    const found = await ask("runs.json");
    const before = JSON.stringify(runs.map(({ silent, ...rest }) => [rest, rest.state === "silent" ? ago(silent) : 0]));
    runs = found.runs;
    $("where").textContent = found.root;
    for (const name of [...chosen]) if (!runs.some((run) => run.run === name)) chosen.delete(name);
    if (!runs.some((run) => run.run === open)) open = runs[0]?.run ?? null;
    if (JSON.stringify(runs.map(({ silent, ...rest }) => [rest, rest.state === "silent" ? ago(silent) : 0])) !== before || !$("list").children.length) list();
    await refresh();
    if (lost) wrong(null);
    lost = false;
  } catch (reason) {
    lost = true;
    wrong(reason);
  }
}

async function go() {
  if (document.visibilityState === "visible") await look();
  setTimeout(go, EVERY);
}

$("find").addEventListener("input", list);
$("clear").addEventListener("click", () => {
  chosen.clear();
  together = false;
  tools();
  list();
  refresh();
});
$("compare").addEventListener("click", async () => {
  busy = true;
  tools();
  wrong(null);
  try {
    const found = await ask("compare", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ runs: [...chosen] }) });
    location.assign(found.page);
  } catch (reason) {
    wrong(reason);
    $("wrong").scrollIntoView({ block: "nearest" });
  } finally {
    busy = false;
    tools();
  }
});
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
tools();
go();

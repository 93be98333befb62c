// Asks for the state of the server over and over, and shows it.

import * as admin from "./admin.js";
import { describe, draw } from "./chart.js";
import { bytes, clock, duration, number, rate } from "./format.js";
import * as fleet from "./fleet.js";
import { fill } from "./table.js";
import * as tunnels from "./tunnels.js";

const at = id => document.getElementById(id);
const every = 2000;

// Only what has changed is written, so that nobody hears it again.
function say(id, text, kind) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
  if (kind !== undefined && element.className !== kind) element.className = kind;
}

async function get(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(path + ": " + answer.status + " " + await answer.text());
  return answer.json();
}

const history = { next: 0, samples: [], every: 5 };

async function askHistory() {
  const more = await get("history.json?since=" + history.next);
  // Another process has begun anew.
  if (more.next < history.next) history.samples = [];
  history.samples = [...history.samples, ...more.samples].slice(-720);
  Object.assign(history, { next: more.next, every: more.every });
  drawHistory();
}

// What a count grew by, in each so many seconds.
function growth(field, seconds) {
  return history.samples.slice(1).map((sample, place) => {
    const before = history.samples[place];
    const time = sample[0] - before[0];
    if (time <= 0 || time > 4 * history.every || sample[field] < before[field]) return null;
    return [sample[0], (sample[field] - before[field]) * seconds / time];
  });
}

function drawHistory() {
  const end = history.samples.at(-1)?.[0] ?? Date.now() / 1000;
  const [up, down] = [growth(3, 1), growth(4, 1)];
  const open = history.samples.map(sample => [sample[0], sample[1]]);
  const refused = growth(5, 60);
  draw(at("throughput"), [{ kind: "up", points: up }, { kind: "down", points: down }], rate, 1000, end);
  draw(at("tunnels-chart"), [{ kind: "one", points: open }], number, 4, end);
  draw(at("refused-chart"), [{ kind: "one", points: refused }], number, 4, end);
  say("throughput-text", "up (dashed) " + describe(up, rate) + "; down " + describe(down, rate));
  say("tunnels-text", describe(open, number));
  say("refused-text", describe(refused, number));
}

function sums(kind) {
  const columns = [
    { label: kind, show: (cell, it) => {
      let button = cell.querySelector("button");
      if (button === null) {
        button = document.createElement("button");
        button.type = "button";
        button.title = "Show the open tunnels";
        button.addEventListener("click", () => tunnels.searchFor(button.textContent));
        cell.append(button);
      }
      if (button.textContent !== it.name) button.textContent = it.name;
    } },
    { label: "open", number: true, text: it => number(it.open) },
    { label: "tunnels", number: true, text: it => number(it.tunnels) },
    { label: "up", number: true, text: it => bytes(it.up) },
    { label: "down", number: true, text: it => bytes(it.down) },
    { label: "now", number: true, text: it => rate(it.up_rate + it.down_rate) },
  ];
  if (kind === "user") columns.push({ show: (cell, it) => {
    const name = "all tunnels of " + it.name;
    admin.button(cell, "Close " + name, () => admin.close({ user: it.name }, name));
  } });
  return columns;
}

const limitName = it => it.whom === undefined ? it.name : it.name + " of " + (it.whom || "a client");

const limits = [
  { label: "limit", text: limitName },
  { label: "full", show: (cell, it) => {
    let meter = cell.querySelector("meter");
    if (meter === null) {
      meter = document.createElement("meter");
      cell.append(meter);
    }
    meter.max = it.most;
    meter.high = it.most * 0.8;
    meter.optimum = 0;
    meter.value = it.used;
    meter.setAttribute("aria-label", limitName(it) + ": " + number(it.used) + " of " + number(it.most));
  } },
  { label: "used", number: true, text: it => number(it.used) },
  { label: "at most", number: true, text: it => number(it.most) },
];

const upstreams = [
  { label: "upstream", text: it => it.name },
  { label: "state", show: (cell, it) => {
    cell.className = it.up ? "good" : "bad";
    if (cell.textContent !== (it.up ? "up" : "down")) cell.textContent = it.up ? "up" : "down";
  } },
];

const day = 24 * 3600;

const certificates = [
  { label: "file", text: it => it.file },
  { label: "until", number: true, text: it => new Date(it.expires * 1000).toISOString().slice(0, 10) },
  { label: "left", show: (cell, it) => {
    const left = it.expires - Date.now() / 1000;
    cell.className = left < 14 * day ? "number bad" : "number";
    const text = left < 0 ? "expired" : left < day ? "less than a day" : number(Math.floor(left / day)) + " days";
    if (cell.textContent !== text) cell.textContent = text;
  } },
];

const refusals = [
  { label: "reason", text: it => it.reason },
  { label: "how often", number: true, text: it => number(it.count) },
];

const kinds = { refused: "refused", failed: "failed", login: "failed login" };

const entries = [
  { label: "last at", text: it => clock(it.at, true) },
  { label: "times", number: true, text: it => number(it.times) },
  { label: "what", text: it => kinds[it.kind] },
  { label: "client", text: it => it.client },
  { label: "user", text: it => it.user },
  { label: "request", text: it => [it.protocol, it.command, it.target].filter(text => text !== "").join(" ") },
  { label: "reason", text: it => it.reason },
];

let isFeedLong = false;
let feed = [];

function showFeed() {
  const shown = isFeedLong ? feed : feed.slice(0, 8);
  fill(at("feed"), shown, it => it.number, entries, "nothing");
  at("feed-more").hidden = feed.length <= 8;
  say("feed-more", isFeedLong ? "Show fewer" : "Show all " + feed.length);
  at("feed-more").setAttribute("aria-expanded", isFeedLong);
}

async function askFeed() {
  feed = (await get("feed.json")).entries;
  showFeed();
}

let before = null;

function show(status) {
  const now = performance.now() / 1000;
  say("about", status.version + ", up for " + duration(status.uptime));
  say("open", number(status.open));
  say("opened", number(status.opened));
  say("moved", bytes(status.up + status.down));
  say("refused", number(status.refused));
  say("memory", status.process.resident === null ? "–" : bytes(status.process.resident));
  say("descriptors", status.process.descriptors === null ? "–" : number(status.process.descriptors));
  // In a server that has begun anew everything is less.
  if (before !== null && status.uptime >= before.status.uptime) {
    const seconds = now - before.now;
    for (const direction of ["up", "down"])
      say(direction, rate(Math.max(0, status[direction] - before.status[direction]) / seconds));
    const cpu = (status.process.cpu - before.status.process.cpu) / seconds;
    say("cpu", status.process.cpu === null ? "–" : (100 * cpu).toFixed(1) + " %");
  }
  before = { now, status };
  const problems = status.problems.map(problem => {
    const item = document.createElement("li");
    item.textContent = "Not ready: " + problem;
    return item;
  });
  if (at("problems").textContent !== problems.map(item => item.textContent).join(""))
    at("problems").replaceChildren(...problems);
  at("admin").hidden = !status.admin;
  fleet.show(status);
  fill(at("limits"), status.limits, limitName, limits, "nothing is limited");
  fill(at("upstreams"), status.upstreams, it => it.name, upstreams, "none");
  at("certificates-section").hidden = status.certificates.length === 0;
  fill(at("certificates"), status.certificates, it => it.file, certificates, "none");
  fill(at("users"), status.users, it => it.name, sums("user"), "nobody yet");
  fill(at("targets"), status.targets, it => it.name, sums("target"), "none yet");
  fill(at("refusals"), status.refusals, it => it.reason, refusals, "nobody");
  tunnels.show(status);
}

let isPaused = false;
let timer;
let asking = 0;
let asked = 0;

async function ask() {
  clearTimeout(timer);
  const turn = ++asking;
  try {
    const status = await get("status.json?" + tunnels.query() + fleet.query());
    // Another question has overtaken it.
    if (turn !== asking) return;
    show(status);
    if (performance.now() - asked >= 5000 || asked === 0) {
      asked = performance.now();
      await Promise.all([askHistory(), askFeed()]);
    }
    say("state", isPaused ? "paused" : "live", "");
  } catch (error) {
    console.error(error);
    say("state", "the server does not answer", "lost");
  }
  // A page that nobody looks at costs nothing.
  if (turn === asking && !isPaused && !document.hidden) timer = setTimeout(ask, every);
}

at("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  at("pause").setAttribute("aria-pressed", isPaused);
  if (isPaused) clearTimeout(timer);
  say("state", isPaused ? "paused" : "live", "");
  if (!isPaused) ask();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !isPaused) ask();
});
at("feed-more").addEventListener("click", () => {
  isFeedLong = !isFeedLong;
  showFeed();
});
new ResizeObserver(drawHistory).observe(at("throughput"));
admin.start(ask);
tunnels.start(ask);
ask();

// All servers that share limits, where there are others.

import * as admin from "./admin.js";
import { bytes, duration, number } from "./format.js";
import { fill } from "./table.js";

const at = id => document.getElementById(id);

let isNode = false;

// What is asked for beside the rest.
export function query() {
  return isNode ? "&nodes=all" : "";
}

const nodes = [
  { label: "server", show: (cell, it) => {
    // Only addresses of pages are links.
    const page = /^https?:\/\//.test(it.page ?? "") ? it.page : null;
    let link = cell.querySelector("a");
    if (page === null) {
      if (cell.textContent !== it.name || link !== null) cell.textContent = it.name;
      return;
    }
    if (link === null) {
      link = document.createElement("a");
      link.rel = "noreferrer";
      cell.replaceChildren(link);
    }
    if (link.textContent !== it.name) link.textContent = it.name;
    if (link.getAttribute("href") !== page) link.setAttribute("href", page);
  } },
  { label: "state", text: it => it.draining ? "stopping" : "serving" },
  { label: "open", number: true, text: it => number(it.open) },
  { label: "up", number: true, text: it => bytes(it.up) },
  { label: "down", number: true, text: it => bytes(it.down) },
  { label: "runs for", number: true, text: it => duration(it.uptime) },
  { label: "version", text: it => it.version },
];

const users = [
  { label: "user", text: it => it.name },
  { label: "open", number: true, text: it => number(it.open) },
  { label: "up", number: true, text: it => bytes(it.up) },
  { label: "down", number: true, text: it => bytes(it.down) },
  { show: (cell, it) => {
    const name = "all tunnels of " + it.name + " at all servers";
    admin.button(cell, "Close " + name, () => admin.close({ everywhere: it.name }, name));
  } },
];

export function show(status) {
  isNode = status.fleet !== null;
  at("fleet-section").hidden = !isNode;
  if (!isNode) return;
  const sums = status.together;
  const text = !status.fleet.up ? "Redis is away: each limit does what it was told for that."
    : sums === undefined ? "This server is " + status.fleet.name + ", one of " + number(status.fleet.nodes) + "."
    : "This server is " + status.fleet.name + ", one of " + number(status.nodes.length) + ", with "
      + number(sums.open) + (sums.open === 1 ? " open tunnel and " : " open tunnels and ") + bytes(sums.up + sums.down) + " moved together.";
  if (at("fleet-text").textContent !== text) at("fleet-text").textContent = text;
  fill(at("nodes"), status.nodes ?? [], it => it.node, nodes, "nobody is heard of");
  fill(at("fleet-users"), sums?.users ?? [], it => it.name, users, "nobody");
}

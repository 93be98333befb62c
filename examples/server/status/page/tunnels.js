// The table of open tunnels: which of them are asked for, and in which order.

import * as admin from "./admin.js";
import { bytes, duration, number, rate } from "./format.js";
import { fill, sayMore } from "./table.js";

const at = id => document.getElementById(id);
const perPage = 50;
const asked = { search: "", sort: "age", order: "asc", offset: 0 };

// What else is known of a target: where its name led to, through which upstream, and where datagrams go.
function about(it) {
  const parts = [];
  if (it.reached) parts.push(it.reached);
  if (it.upstream) parts.push("through " + it.upstream);
  const some = it.destinations ?? [];
  parts.push(...some.slice(0, 4).map(one => one.address + ": " + number(one.datagrams_up) + " up, " + number(one.datagrams_down) + " down"));
  if (some.length > 4) parts.push("and " + (some.length - 4) + " more destinations");
  if (it.to_others) parts.push(number(it.to_others) + " datagrams to others");
  return parts.join("; ");
}

const columns = [
  { label: "client", text: it => it.client },
  { label: "user", text: it => it.user },
  { label: "protocol", text: it => it.protocol },
  { label: "command", text: it => it.command },
  { label: "target", show: (cell, it) => sayMore(cell, it.target, about(it)) },
  { label: "open for", number: true, text: it => duration(it.seconds) },
  { label: "up", number: true, text: it => bytes(it.up) },
  { label: "down", number: true, text: it => bytes(it.down) },
  { label: "now", number: true, text: it => it.up_rate === null ? "–" : rate(it.up_rate + it.down_rate) },
  { show: (cell, it) => {
    const name = "the tunnel of " + it.user + " to " + it.target;
    admin.button(cell, "Close " + name, () => admin.close({ id: it.id }, name));
  } },
];

export function query() {
  return new URLSearchParams({ limit: perPage, ...asked }).toString();
}

export function show(status) {
  // The last page may be gone by now.
  if (status.offset >= status.matching && status.offset > 0) asked.offset = 0;
  const end = status.offset + status.tunnels.length;
  at("range").textContent = status.matching === 0 ? "none"
    : number(status.offset + 1) + "–" + number(end) + " of " + number(status.matching);
  at("newer").disabled = status.offset === 0;
  at("older").disabled = end >= status.matching;
  fill(at("tunnels"), status.tunnels, it => it.id, columns, "none");
}

function showSort() {
  at("sort").value = asked.sort + " " + asked.order;
  for (const th of document.querySelectorAll("th[data-sort]")) {
    if (th.dataset.sort === asked.sort) th.setAttribute("aria-sort", asked.order === "asc" ? "ascending" : "descending");
    else th.removeAttribute("aria-sort");
  }
}

// Calls back when something else is asked for.
export function start(ask) {
  const change = changes => {
    Object.assign(asked, { offset: 0 }, changes);
    showSort();
    ask();
  };
  for (const th of document.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    const texts = ["client", "user", "target", "age"];
    const first = texts.includes(th.dataset.sort) ? "asc" : "desc";
    const other = first === "asc" ? "desc" : "asc";
    button.addEventListener("click", () => {
      const isAgain = asked.sort === th.dataset.sort && asked.order === first;
      change({ sort: th.dataset.sort, order: isAgain ? other : first });
    });
  }
  at("sort").addEventListener("change", () => {
    const [sort, order] = at("sort").value.split(" ");
    change({ sort, order });
  });
  at("search").addEventListener("submit", event => event.preventDefault());
  let typed;
  at("search-text").addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => change({ search: at("search-text").value }), 250);
  });
  at("newer").addEventListener("click", () => change({ offset: Math.max(0, asked.offset - perPage) }));
  at("older").addEventListener("click", () => change({ offset: asked.offset + perPage }));
  showSort();
}

export function searchFor(text) {
  at("search-text").value = text;
  at("search-text").dispatchEvent(new Event("input"));
  at("tunnels-heading").focus();
}

// Signing in, and closing tunnels.

const at = id => document.getElementById(id);
const kept = "tower-socks-admin";

let token = sessionStorage.getItem(kept);
let changed = () => {};

export function isSignedIn() {
  return token !== null;
}

function keep(value) {
  token = value;
  if (value === null) sessionStorage.removeItem(kept);
  else sessionStorage.setItem(kept, value);
  show();
  changed();
}

function show() {
  at("sign-in").hidden = isSignedIn();
  at("sign-out").hidden = !isSignedIn();
}

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  if (token !== null) headers["x-admin-token"] = token;
  const answer = await fetch("admin/" + path, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (answer.status === 401 && path !== "sign-in") keep(null);
  if (!answer.ok) throw new Error(text.trim());
  return text;
}

function tell(text) {
  at("told").textContent = text;
}

// Asks whether it is meant, and closes what is named by `{ id }` or `{ user }`.
export async function close(what, name) {
  at("confirm-text").textContent = "Close " + name + "?";
  at("confirm").returnValue = "";
  at("confirm").showModal();
  await new Promise(done => at("confirm").addEventListener("close", done, { once: true }));
  if (at("confirm").returnValue !== "close") return;
  try {
    const { closed } = JSON.parse(await post("close", what));
    tell("Closed " + closed + (closed === 1 ? " tunnel." : " tunnels."));
  } catch (error) {
    tell("Nothing was closed: " + error.message);
  }
  changed();
}

// Calls back when there is something new to show.
export function start(ask) {
  changed = ask;
  show();
  at("sign-in").addEventListener("click", () => {
    at("sign-in-problem").textContent = "";
    at("sign-in-dialog").showModal();
  });
  at("sign-in-form").addEventListener("submit", async event => {
    event.preventDefault();
    const password = at("password").value;
    at("password").value = "";
    try {
      const { token } = JSON.parse(await post("sign-in", { password }));
      at("sign-in-dialog").close();
      keep(token);
      tell("Signed in.");
    } catch (error) {
      at("sign-in-problem").textContent = error.message;
      at("password").focus();
    }
  });
  at("sign-in-cancel").addEventListener("click", () => at("sign-in-dialog").close());
  for (const button of document.querySelectorAll("#confirm button"))
    button.addEventListener("click", () => at("confirm").close(button.value));
  at("sign-out").addEventListener("click", async () => {
    await post("sign-out", {}).catch(() => {});
    keep(null);
    tell("Signed out.");
  });
}

// A button that closes something, in a cell. It is there for who is signed in.
export function button(cell, label, act) {
  let button = cell.querySelector("button.close");
  if (!isSignedIn()) return button?.remove();
  if (button === null) {
    button = document.createElement("button");
    button.type = "button";
    button.className = "close";
    button.textContent = "Close";
    cell.append(button);
  }
  if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
  button.onclick = act;
}

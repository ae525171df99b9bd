"use strict";
// Renews the page; an answer that does not come leaves the old one, dimmed.
const all = document.getElementById("all");
async function renew() {
  try {
    const answer = await fetch("body", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    // A button that is pressed stays until it is let go, or it would not have been clicked.
    if (Date.now() - pressed < 15000) return;
    const button = document.activeElement.closest("button[data-order]");
    all.innerHTML = text;
    all.className = "";
    if (button) choose(button.dataset);
    tell();
  } catch {
    all.className = "gone";
  }
}
setInterval(renew, 3000);
let pressed = 0;
addEventListener("pointerdown", (event) => { if (event.button === 0) pressed = Date.now(); });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = 0; }));
// Who goes from button to button with the keyboard stays where they are.
function choose({ order, server }) {
  const buttons = [...all.querySelectorAll("button[data-order]")].filter((button) => button.dataset.server === server);
  const same = buttons.find((button) => button.dataset.order === order) || buttons[0];
  if (same) same.focus({ preventScroll: true });
}

// Orders, where they are taken. The token is kept for this tab, and goes nowhere but into the header.
const ask = document.getElementById("ask");
const said = new Map();
let wanted = null;
function part(name) {
  return document.getElementById(name);
}
// What came of an order stays in its row for a while, though the rows are renewed.
function tell() {
  for (const place of all.querySelectorAll("output")) {
    const words = said.get(place.dataset.server);
    place.textContent = words ? words.text : "";
    place.className = words && words.bad ? "bad" : "";
  }
}
function say(server, text, bad) {
  const words = { text, bad };
  said.set(server, words);
  tell();
  if (bad !== null) setTimeout(() => { if (said.get(server) === words) said.delete(server); tell(); }, 30000);
}
async function give({ order, server }, terms, token) {
  say(server, order + " …", null);
  try {
    const answer = await fetch("servers/" + order, {
      method: "POST",
      cache: "no-store",
      credentials: "omit",
      headers: { "Authorization": "Bearer " + token, "Content-Type": "application/json" },
      body: JSON.stringify({ server, ...terms }),
    });
    if (answer.status === 401) sessionStorage.removeItem("token");
    say(server, (await answer.text()).trim(), !answer.ok);
  } catch (error) {
    say(server, "no answer: " + error.message, true);
  }
  renew();
}
function go() {
  const token = sessionStorage.getItem("token") || part("token").value.trim();
  if (!token) return part("token").focus();
  part("token").value = "";
  sessionStorage.setItem("token", token);
  ask.close();
  const terms = { reason: part("reason").value.trim() };
  if (wanted.order === "drain") terms.for = part("for").value.trim();
  give(wanted, terms, token);
}
if (ask) {
  all.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-order]");
    if (!button) return;
    wanted = { order: button.dataset.order, server: button.dataset.server };
    part("what").textContent = wanted.order + " " + wanted.server;
    part("reason").value = part("for").value = "";
    part("span").hidden = wanted.order !== "drain";
    part("key").hidden = sessionStorage.getItem("token") !== null;
    ask.showModal();
  });
  part("form").addEventListener("submit", (event) => { event.preventDefault(); go(); });
  part("leave").addEventListener("click", () => ask.close());
}

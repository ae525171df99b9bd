"use strict";
// Renews the page; an answer that does not come leaves the old one, dimmed.
const all = document.getElementById("all");
async function renew() {
  try {
    const answer = await fetch("body", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    all.innerHTML = await answer.text();
    all.className = "";
  } catch {
    all.className = "gone";
  }
}
setInterval(renew, 3000);

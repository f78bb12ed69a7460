// Keys: / filter, j k Enter rows, g + letter a screen, ? help.
let place = -1;
let pending = "";

function rows() {
  const list = document.querySelector("[data-rows]");
  if (!list) return [];
  return [...list.querySelectorAll(list.dataset.rows === "tiles" ? ".tile" : "tbody tr, :scope > li")];
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const marked = all.findIndex((row) => row.getAttribute("aria-selected") === "true" || row === document.activeElement);
  place = Math.max(0, Math.min(all.length - 1, (marked < 0 ? (step > 0 ? -1 : all.length) : marked) + step));
  all.forEach((row, index) => row.toggleAttribute("data-on", index === place));
  for (const row of all) row.removeAttribute("aria-selected");
  const row = all[place];
  if (row.matches("tr")) row.setAttribute("aria-selected", "true");
  (row.matches("a") ? row : row.querySelector("[data-open]"))?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = event.target.matches("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && inField) { event.target.blur(); return; }
  if (inField || document.querySelector("dialog[open]")) return;
  if (pending === "g") {
    pending = "";
    const link = document.querySelector(`[data-keys="g ${event.key}"]`);
    if (link) { event.preventDefault(); location.assign(link.href); return; }
  }
  const act = {
    "/": () => document.querySelector("[data-slash]")?.focus(),
    "?": () => document.getElementById("keys").showModal(),
    j: () => move(1),
    k: () => move(-1),
    g: () => { pending = "g"; setTimeout(() => { pending = ""; }, 1200); },
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
}

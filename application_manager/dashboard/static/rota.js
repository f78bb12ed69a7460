// What every page does: stay live and say when it is not, tick its clocks, take keys, act, copy.
import { startLive } from "./live.js";
import { startActions } from "./actions.js";
import { startKeys } from "./keys.js";
import { startLog } from "./log.js";
import { startUpload } from "./upload.js";

const YEAR_S = 31536000;

function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=strict`;
}

function startZones() {
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (document.body.dataset.tz !== mine) {
    remember("rota_tz", mine);
    if (document.body.dataset.zone === "mine") location.reload();
  }
  for (const button of document.querySelectorAll("[data-zone-choice]")) {
    button.addEventListener("click", () => {
      remember("rota_tz", mine);
      remember("rota_zone", button.dataset.zoneChoice);
      location.reload();
    });
  }
}

function startTheme() {
  const root = document.documentElement;
  document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember("rota_theme", root.dataset.theme);
    document.dispatchEvent(new Event("rota:theme"));
  });
}

function startMenu() {
  const button = document.querySelector("[data-menu]");
  button?.addEventListener("click", () => {
    const open = document.getElementById("rail").classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(open));
  });
}

function startFilters() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  // an empty field does not belong in the address
  document.addEventListener("formdata", (event) => {
    if (event.target.getAttribute("method") !== "get") return;
    for (const [key, value] of [...event.formData]) if (value === "") event.formData.delete(key);
  });
}

startZones();
startTheme();
startMenu();
startFilters();
startLive();
startActions();
startKeys();
startLog();
startUpload();
document.body.dataset.started = ""; // from here on the page takes clicks and keys

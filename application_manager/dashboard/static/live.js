// Keeps the page as the platform is. The server's stream says that something changed; the page then
// asks for itself again. Where no stream is to be had it asks every few seconds. What could not be
// refreshed is greyed and says since when.
const POLL_MS = 5000;
const SLOWEST_MS = 30000; // even while the stream is quiet
const GENTLEST_MS = 1500; // between two refreshes, however much changes

const state = { offset: 0, fresh: 0, timer: 0, last: 0, failing: false, streaming: false };

export function serverNow() {
  return Date.now() + state.offset;
}

export function spanWords(seconds) {
  const whole = Math.round(Math.abs(seconds));
  if (whole < 1) return "now";
  const units = [[31536000, "y"], [86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  for (let i = 0; i < units.length - 1; i += 1) {
    const [size, unit] = units[i];
    if (whole >= size) {
      const rest = Math.floor((whole % size) / units[i + 1][0]);
      return `${Math.floor(whole / size)} ${unit}${rest ? ` ${String(rest).padStart(2, "0")} ${units[i + 1][1]}` : ""}`;
    }
  }
  return `${whole} s`;
}

function tick() {
  const now = serverNow();
  for (const time of document.querySelectorAll("time[datetime]")) {
    const word = time.querySelector("[data-rel]");
    if (!word) continue;
    const seconds = (Date.parse(time.getAttribute("datetime")) - now) / 1000;
    const words = spanWords(seconds);
    const text = words === "now" ? words : seconds > 0 ? `in ${words}` : `${words} ago`;
    if (word.textContent !== text) word.textContent = text;
  }
}

function show(word, name) {
  const dot = document.querySelector("[data-live]");
  const text = document.querySelector("[data-live-word]");
  if (!dot) return;
  dot.dataset.state = name;
  if (text.textContent !== word) text.textContent = word;
  document.body.classList.toggle("is-stale", name === "stale");
}

function clock(ms) {
  const zone = document.body.dataset.zone === "mine" ? undefined : "UTC";
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone }).format(ms);
}

export function markFresh() {
  state.failing = false;
  state.fresh = serverNow();
  show("live", "live");
}

export function markStale() {
  state.failing = true;
  show(`stale since ${clock(state.fresh)}`, "stale");
}

export function refresh() {
  const region = document.querySelector("[data-live-region]");
  document.dispatchEvent(new Event("rota:changed"));
  if (!region || document.querySelector("dialog[open]") || document.hidden) return;
  if (region.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
  state.last = Date.now();
  window.htmx?.trigger(region, "rota:refresh");
}

function refreshSoon() {
  clearTimeout(state.timer);
  const wait = Math.max(0, GENTLEST_MS - (Date.now() - state.last));
  state.timer = setTimeout(refresh, wait);
}

function openStream() {
  const stream = new EventSource("/api/v1/stream");
  stream.onopen = () => { state.streaming = true; markFresh(); };
  for (const name of ["job", "nodes", "schedules", "services", "reset"]) stream.addEventListener(name, refreshSoon);
  stream.onerror = () => {
    state.streaming = false;
    setTimeout(() => { if (!state.streaming) refresh(); }, 1500); // which says stale where it fails
    if (stream.readyState === EventSource.CLOSED) setTimeout(openStream, 15000); // no such route, or logged out
  };
  addEventListener("pagehide", () => stream.close());
}

export function startLive() {
  state.offset = Date.parse(document.body.dataset.now) - Date.now();
  state.fresh = serverNow();
  state.last = Date.now();
  markFresh();
  setInterval(tick, 1000);
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.elt.matches?.("[data-live-region]")) return;
    if (event.detail.successful) markFresh(); else markStale();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // a login page or an error in place of the region would wipe it out
    if (event.detail.elt.matches?.("[data-live-region]") && event.detail.xhr.responseURL.includes("/login")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.addEventListener("htmx:afterSwap", tick);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshSoon(); });
  setInterval(() => {
    if (!state.streaming || Date.now() - state.last > SLOWEST_MS) refresh();
  }, POLL_MS);
  openStream();
}

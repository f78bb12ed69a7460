// The timeline: what is shown, how it is moved, what is under the pointer. Data comes from
// timeline_tiles.js in tiles, timeline_draw.js draws; this asks for no more than can be seen.
import { serverNow } from "./live.js";
import { Tiles } from "./timeline_tiles.js";
import { Painter, AXIS_H, CURVE_H, rowHeight } from "./timeline_draw.js";
import { momentWords, stateWords, spanShort } from "./timeline_words.js";

const SHORTEST_S = 300;
const LONGEST_S = 8.2 * 86400;
const PAST_LIMIT_S = 8 * 86400;
const FUTURE_LIMIT_S = 8 * 86400;
const PULSE_MS = 90;

class Timeline {
  constructor(card) {
    this.card = card;
    this.find = (name) => card.querySelector(`[data-${name}]`);
    this.frame = this.find("frame");
    this.scroll = this.find("scroll");
    this.canvas = this.find("chart");
    this.curve = this.find("curve");
    this.tip = this.find("tip");
    this.by = card.dataset.by;
    this.rowH = rowHeight(this.by);
    this.rows = [];
    this.selected = { row: -1, job: null };
    this.following = true;
    const query = new URLSearchParams(location.search);
    this.span = clamp(Number(query.get("span")) || (innerWidth < 700 ? 21600 : 43200), SHORTEST_S, LONGEST_S);
    this.begin = this.now() - this.span / 3;
    if (query.get("from")) { this.begin = Number(query.get("from")); this.following = false; }
    this.painter = new Painter(this);
    this.tiles = new Tiles(this, () => this.draw());
    this.dirty = false;
    this.listen();
  }

  now() { return serverNow() / 1000; }

  async start() {
    const answer = await fetch(`/timeline/rows.json?by=${this.by}&q=${encodeURIComponent(this.card.dataset.q)}`);
    if (!answer.ok) { this.showEmpty("The rows cannot be read", "The server does not answer as it should. The page tries again by itself."); setTimeout(() => this.start(), 5000); return; }
    const { rows, paused } = await answer.json();
    this.rows = rows;
    this.paused = new Set(paused);
    if (rows.length) this.find("empty").hidden = true;
    else this.showEmpty(this.card.dataset.q ? "Nothing has this name" : "Nothing is scheduled yet", this.card.dataset.q ? "Change the filter above." : "Upload a schedule file and its due times appear here.");
    this.resize();
    new ResizeObserver(() => this.resize()).observe(this.frame);
    setInterval(() => this.pulse(), PULSE_MS);
    document.addEventListener("rota:changed", () => this.tiles.renew());
    document.addEventListener("rota:theme", () => { this.painter.readColours(); this.draw(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.painter.readColours(); this.draw(); });
  }

  showEmpty(title, text) {
    this.find("empty").hidden = false;
    this.find("empty-title").textContent = title;
    this.find("empty-text").textContent = text;
  }

  resize() {
    const width = this.frame.clientWidth;
    const legend = document.querySelector(".tl-legend")?.offsetHeight || 0;
    const roomBelow = Math.max(220, innerHeight - this.frame.getBoundingClientRect().top - scrollY - CURVE_H - legend - 62);
    const full = AXIS_H + Math.max(4, this.rows.length) * this.rowH;
    this.height = Math.min(full, roomBelow);
    this.scroll.style.height = `${this.height}px`;
    this.find("sizer").style.height = `${full}px`;
    this.width = this.scroll.clientWidth || width;
    this.gutter = this.width < 620 ? 104 : 184;
    this.painter.size(this.width, this.height);
    this.view();
  }

  // where things are
  x(t) { return this.gutter + ((t - this.begin) / this.span) * (this.width - this.gutter); }
  time(x) { return this.begin + ((x - this.gutter) / (this.width - this.gutter)) * this.span; }
  rowAt(y) { return y < AXIS_H ? -1 : Math.floor((y - AXIS_H + this.scroll.scrollTop) / this.rowH); }
  visibleRows() {
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / this.rowH));
    return [first, Math.min(this.rows.length, Math.ceil((this.scroll.scrollTop + this.height - AXIS_H) / this.rowH) + 1)];
  }

  // moving
  view({ begin = this.begin, span = this.span, keep = false } = {}) {
    this.span = clamp(span, SHORTEST_S, LONGEST_S);
    const now = this.now();
    this.begin = clamp(begin, now - PAST_LIMIT_S, now + FUTURE_LIMIT_S - this.span);
    if (keep) { this.following = false; this.remember(); }
    for (const button of this.card.querySelectorAll("[data-span]")) button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.span) - this.span) < 1));
    this.tiles.want();
    this.draw();
  }

  zoom(factor, at = this.begin + this.span / 2) {
    const span = clamp(this.span * factor, SHORTEST_S, LONGEST_S);
    this.view({ begin: at - ((at - this.begin) * span) / this.span, span, keep: true });
  }

  goNow() {
    clearTimeout(this.rememberLater);
    this.following = true;
    history.replaceState(null, "", this.address({ from: null, span: this.span }));
    this.view({ begin: this.now() - this.span / 3 });
  }

  address(changes) {
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(changes)) { if (value === null) query.delete(key); else query.set(key, Math.round(value)); }
    return `${location.pathname}?${query}`;
  }

  remember() {
    clearTimeout(this.rememberLater);
    this.rememberLater = setTimeout(() => history.replaceState(null, "", this.address({ from: this.begin, span: this.span })), 250);
  }

  draw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame((at) => { this.dirty = false; this.painter.paint(at); this.tellRange(); });
  }

  pulse() {
    if (document.hidden) return;
    const now = this.now();
    if (this.following && !this.dragging) {
      const pixels = ((now - this.span / 3 - this.begin) / this.span) * (this.width - this.gutter);
      if (pixels >= 1) this.view({ begin: now - this.span / 3 });
    }
    if (this.painter.hasRunning || Math.floor(now) !== this.lastSecond) { this.lastSecond = Math.floor(now); this.draw(); }
  }

  tellRange() {
    const words = `${momentWords(this.begin)} – ${momentWords(this.begin + this.span)}`;
    const field = this.find("range");
    if (field.textContent !== words) field.textContent = words;
  }

  // the pointer and the keys
  listen() {
    const { canvas, curve, scroll, frame } = this;
    scroll.addEventListener("scroll", () => { this.tiles.want(); this.hideTip(); this.draw(); }, { passive: true });
    for (const each of [canvas, curve]) {
      each.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
      each.addEventListener("pointerdown", (event) => this.onDown(event));
      each.addEventListener("pointermove", (event) => this.onMove(event));
      each.addEventListener("pointerup", (event) => this.onUp(event));
      each.addEventListener("pointercancel", () => this.endDrag());
      each.addEventListener("pointerleave", () => this.hideTip());
    }
    frame.addEventListener("keydown", (event) => this.onKey(event));
    this.card.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.span) { const span = Number(button.dataset.span); this.span = span; if (span > 600000) this.view({ begin: this.now() - Number(this.card.dataset.past), span, keep: true }); else this.goNow(); }
      if (button?.dataset.zoom) this.zoom(Number(button.dataset.zoom));
      if (button && "now" in button.dataset) this.goNow();
    });
  }

  onWheel(event) {
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * unit * 0.002), this.time(event.offsetX));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.currentTarget === this.curve) {
      event.preventDefault();
      const by = (Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY) * unit;
      this.view({ begin: this.begin + (by / (this.width - this.gutter)) * this.span, keep: true });
    }
  }

  onDown(event) {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    this.dragging = { x: event.clientX, y: event.clientY, begin: this.begin, top: this.scroll.scrollTop, far: false };
  }

  onMove(event) {
    const drag = this.dragging;
    if (!drag) { this.hover(event); return; }
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    if (!drag.far && Math.hypot(dx, dy) < 4) return;
    drag.far = true;
    this.hideTip();
    this.canvas.classList.add("is-dragging");
    this.scroll.scrollTop = drag.top - dy;
    this.view({ begin: drag.begin - (dx / (this.width - this.gutter)) * this.span, keep: true });
  }

  onUp(event) {
    const far = this.dragging?.far;
    this.endDrag();
    if (!far && event.currentTarget === this.canvas) this.open(this.hit(event.offsetX, event.offsetY));
  }

  endDrag() {
    this.dragging = null;
    this.canvas.classList.remove("is-dragging");
  }

  hit(x, y) {
    const row = this.rowAt(y);
    if (row < 0 || row >= this.rows.length) return null;
    if (x < this.gutter) return { row, item: null };
    return { row, item: this.tiles.itemAt(row, this.time(x), (4 / (this.width - this.gutter)) * this.span) };
  }

  open(found) {
    if (!found) return;
    const name = this.rows[found.row];
    if (found.item?.id) location.assign(`/jobs/${found.item.id}`);
    else if (found.item || this.hoverOnLabel) location.assign(`/${this.by}s/${name}`);
  }

  hover(event) {
    const found = event.currentTarget === this.canvas ? this.hit(event.offsetX, event.offsetY) : null;
    this.hoverOnLabel = Boolean(found && event.offsetX < this.gutter);
    this.canvas.classList.toggle("is-over", Boolean(found && (found.item || this.hoverOnLabel)));
    if (!found || (!found.item && !this.hoverOnLabel)) { this.hideTip(); return; }
    this.showTip(event, this.describe(found));
  }

  describe({ row, item }) {
    const name = this.rows[row];
    if (!item) return [name, this.paused.has(row) ? "paused" : `open this ${this.by}`];
    return [this.by === "node" && item.other ? item.other : name, ...stateWords(item, this.now(), this.by)];
  }

  showTip(event, [title, ...lines]) {
    const bold = document.createElement("b");
    bold.textContent = title;
    this.tip.replaceChildren(bold, ...lines.flatMap((line, index) => (index ? [document.createElement("br"), line] : [line])));
    this.tip.hidden = false;
    const box = this.frame.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left + 14, this.width - this.tip.offsetWidth - 8);
    const below = event.clientY - box.top + 18;
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${below + this.tip.offsetHeight > box.height ? below - this.tip.offsetHeight - 30 : below}px`;
  }

  hideTip() { this.tip.hidden = true; }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      ArrowUp: () => this.choose(this.selected.row - 1), ArrowDown: () => this.choose(this.selected.row + 1),
      j: () => this.choose(this.selected.row + 1), k: () => this.choose(this.selected.row - 1),
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2),
      n: () => this.goNow(), Home: () => this.goNow(),
      PageUp: () => this.view({ begin: this.begin - this.span * 0.8, keep: true }),
      PageDown: () => this.view({ begin: this.begin + this.span * 0.8, keep: true }),
      Enter: () => { if (this.selected.row >= 0) { this.hoverOnLabel = !this.selected.job; this.open({ row: this.selected.row, item: this.selected.job }); } },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  choose(row) {
    if (!this.rows.length) return;
    this.selected = { row: clamp(row, 0, this.rows.length - 1), job: null };
    const top = this.selected.row * this.rowH;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    if (top + this.rowH > this.scroll.scrollTop + this.height - AXIS_H) this.scroll.scrollTop = top + this.rowH - this.height + AXIS_H;
    this.say(`Row ${this.selected.row + 1} of ${this.rows.length}: ${this.rows[this.selected.row]}`);
    this.draw();
  }

  step(by) {
    const { row, job } = this.selected;
    if (row < 0) { this.view({ begin: this.begin + by * this.span * 0.1, keep: true }); return; }
    const items = this.tiles.itemsOf(row).filter((item) => item.due >= this.begin && item.due <= this.begin + this.span);
    const at = job ? items.findIndex((item) => item.due === job.due && item.ordinal === job.ordinal) : by > 0 ? -1 : items.length;
    const next = items[at + by];
    if (!next) { this.view({ begin: this.begin + by * this.span * 0.5, keep: true }); return; }
    this.selected.job = next;
    this.say(this.describe({ row, item: next }).join(", "));
    this.draw();
  }

  say(words) { this.find("said").textContent = words; }
}

function clamp(value, least, most) { return Math.max(least, Math.min(most, value)); }

const card = document.querySelector("[data-timeline]");
if (card) {
  const timeline = new Timeline(card);
  window.rotaTimeline = timeline; // for measuring from outside
  timeline.start();
}
export { spanShort };

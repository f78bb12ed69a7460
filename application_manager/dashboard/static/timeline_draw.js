// Draws the timeline on two canvases: the rows under their axis, and the curve below.
import { momentWords, spanShort, zone } from "./timeline_words.js";

export const AXIS_H = 38;
export const CURVE_H = 96;
const ROW_HEIGHTS = { instance: 26, node: 46 };

export function rowHeight(by) {
  return ROW_HEIGHTS[by];
}

const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800];
const TONES = {
  PLANNED: "plan", WAITING: "wait", QUEUED: "wait", STARTING: "run", RUNNING: "run", STOPPING: "warn", UNKNOWN: "warn", SUCCEEDED: "good",
  FAILED: "bad", TIMED_OUT: "bad", ENDED: "done", CANCELLED: "quiet", MISSED: "miss", SKIPPED: "quiet", UPSTREAM_FAILED: "bad", LOST: "bad",
};
const LIVE = new Set(["STARTING", "RUNNING", "STOPPING", "UNKNOWN"]);
const LATE_S = 60;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Painter {
  constructor(timeline) {
    this.timeline = timeline;
    this.chart = timeline.canvas.getContext("2d", { alpha: false });
    this.curve = timeline.curve.getContext("2d", { alpha: false });
    this.rowH = rowHeight(timeline.by);
    this.hasRunning = false;
    this.frames = [];
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colour = Object.fromEntries(["surface", "sunken", "line", "line-strong", "ink", "ink-2", "muted", "accent", "accent-soft", "run", "run-soft", "good", "bad", "warn", "miss", "wait", "wait-soft", "done", "plan", "plan-soft", "quiet"].map((name) => [name, read(name)]));
    this.hatch = this.makeHatch(this.colour.wait, this.colour["wait-soft"]);
  }

  makeHatch(line, ground) {
    const tile = document.createElement("canvas");
    tile.width = 8;
    tile.height = 8;
    const pen = tile.getContext("2d");
    pen.fillStyle = ground;
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = line;
    pen.lineWidth = 1.6;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) { pen.moveTo(shift, 8); pen.lineTo(shift + 8, 0); }
    pen.stroke();
    return this.chart.createPattern(tile, "repeat");
  }

  size(width, height) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    for (const [pen, w, h] of [[this.chart, width, height], [this.curve, width, CURVE_H]]) {
      pen.canvas.width = Math.round(w * ratio);
      pen.canvas.height = Math.round(h * ratio);
      pen.canvas.style.width = `${w}px`;
      pen.canvas.style.height = `${h}px`;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.width = width;
    this.height = height;
  }

  paint(at) {
    this.frames.push(at);
    if (this.frames.length > 600) this.frames.splice(0, 300);
    const { chart: pen, timeline, colour } = this;
    this.hasRunning = false;
    this.glow = calm.matches ? 1 : 0.78 + 0.22 * Math.sin(at / 420);
    pen.fillStyle = colour.surface;
    pen.fillRect(0, 0, this.width, this.height);
    const ticks = this.ticks();
    this.grid(pen, ticks, AXIS_H, this.height);
    pen.save();
    pen.beginPath();
    pen.rect(timeline.gutter, AXIS_H, this.width - timeline.gutter, this.height - AXIS_H);
    pen.clip();
    this.rows(pen);
    this.nowLine(pen, AXIS_H, this.height);
    pen.restore();
    this.labels(pen);
    this.axis(pen, ticks);
    this.paintCurve(ticks);
  }

  ticks() {
    const { begin, span, gutter } = this.timeline;
    const step = STEPS.find((each) => (each / span) * (this.width - gutter) >= 68) || 172800;
    const offset = zone() === "UTC" ? 0 : -new Date(begin * 1000).getTimezoneOffset() * 60;
    const found = [];
    for (let t = Math.ceil((begin + offset) / step) * step - offset; t < begin + span; t += step) found.push({ t, isDay: (t + offset) % 86400 === 0 });
    return found;
  }

  grid(pen, ticks, top, bottom) {
    const { timeline, colour } = this;
    const now = timeline.x(timeline.now());
    if (now > timeline.gutter) {
      pen.fillStyle = colour.sunken;
      pen.fillRect(timeline.gutter, top, Math.min(now, this.width) - timeline.gutter, bottom - top);
    }
    pen.fillStyle = colour.line;
    for (const { t, isDay } of ticks) pen.fillRect(Math.round(timeline.x(t)), top, isDay ? 2 : 1, bottom - top);
  }

  rows(pen) {
    const { timeline, colour } = this;
    const [first, last] = timeline.visibleRows();
    const top = AXIS_H - timeline.scroll.scrollTop;
    const { row: chosen } = timeline.selected;
    if (chosen >= 0) { pen.fillStyle = colour["accent-soft"]; pen.globalAlpha = 0.6; pen.fillRect(0, top + chosen * this.rowH, this.width, this.rowH); pen.globalAlpha = 1; }
    pen.fillStyle = colour.line;
    for (let row = first; row < last; row += 1) pen.fillRect(timeline.gutter, top + (row + 1) * this.rowH - 1, this.width, 1);
    const now = timeline.now();
    for (const { tile, clip } of timeline.tiles.toDraw()) {
      if (clip) { pen.save(); pen.beginPath(); pen.rect(timeline.x(clip[0]), 0, timeline.x(clip[1]) - timeline.x(clip[0]), this.height); pen.clip(); }
      for (const [row, items] of tile.rows) {
        if (row < first || row >= last) continue;
        for (const item of items) this.item(pen, item, top + row * this.rowH, now);
      }
      if (clip) pen.restore();
    }
  }

  item(pen, item, y, now) {
    const { timeline, colour } = this;
    const lanes = item.lanes || 1;
    const h = (this.rowH - 9) / lanes - (lanes > 1 ? 1 : 0);
    const top = y + 4 + (item.kind === "job" ? (item.lane || 0) * ((this.rowH - 9) / lanes) : 0);
    const x = timeline.x(item.due);
    if (x > this.width) return;
    if (item.kind === "bin") { this.bin(pen, item, y); return; }
    if (item.kind === "band") { this.band(pen, item, y); return; }
    if (item.kind === "planned") { this.hollow(pen, x, timeline.x(item.stop), y + 4, this.rowH - 9, colour.plan); return; }
    if (item.state === "MISSED") { this.notch(pen, x, item.until ? timeline.x(item.until) : x, y); return; }
    if (item.state === "SKIPPED") { this.skipped(pen, x, y); return; }
    if (!item.start) { this.unstarted(pen, item, { x, top, h }, now); return; }
    this.ran(pen, item, { x, top, h }, now);
    if (item === timeline.selected.job || item.id === timeline.selected.job?.id) { pen.strokeStyle = colour.accent; pen.lineWidth = 2; pen.strokeRect(x - 2, y + 1.5, Math.max(8, timeline.x(item.end || now) - x + 4), this.rowH - 4); }
  }

  ran(pen, item, { x, top, h }, now) {
    const { timeline, colour } = this;
    const isLive = LIVE.has(item.state);
    const start = timeline.x(item.start);
    const end = timeline.x(isLive ? now : item.end || item.start);
    const stop = isLive && item.stop ? timeline.x(item.stop) : end;
    if (Math.max(end, stop) < timeline.gutter) return;
    if (item.late > LATE_S) {
      pen.fillStyle = colour.warn;
      pen.fillRect(x, top + h / 2 - 1.5, Math.max(2, start - x), 3);
    } else if (start - x > 3) {
      pen.fillStyle = this.hatch; // it waited for others, as it should
      pen.fillRect(x, top + 3, start - x, h - 6);
    }
    pen.fillStyle = colour[TONES[item.state]];
    if (isLive) {
      this.hasRunning = true;
      if (stop > end) this.hollow(pen, start, stop, top, h, colour[TONES[item.state]]);
      pen.globalAlpha = this.glow;
    }
    this.box(pen, start, Math.max(2, end - start), top, h);
    pen.globalAlpha = 1;
  }

  unstarted(pen, item, { x, top, h }, now) {
    const { timeline, colour } = this;
    const isWaiting = item.state === "WAITING" || item.state === "QUEUED" || item.state === "STARTING";
    if (isWaiting || item.state === "PLANNED") {
      const until = timeline.x(Math.max(now, item.due));
      if (until - x > 2) { pen.fillStyle = this.hatch; pen.fillRect(x, top, until - x, h); }
      pen.strokeStyle = colour.wait;
      pen.lineWidth = 1;
      pen.strokeRect(x + 0.5, top + 0.5, Math.max(3, until - x), h - 1);
      if (item.state !== "PLANNED") this.hasRunning = true;
      return;
    }
    pen.fillStyle = colour[TONES[item.state]];
    pen.fillRect(x - 1, top, 3, h);
  }

  box(pen, x, width, top, h) {
    if (width < 6) { pen.fillRect(x, top, width, h); return; }
    pen.beginPath();
    pen.roundRect(x, top, width, h, 3);
    pen.fill();
  }

  hollow(pen, x, end, top, h, colour) {
    if (end < this.timeline.gutter) return;
    const width = Math.max(3, end - x);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.2;
    if (width < 7) { pen.strokeRect(x + 0.5, top + 0.5, width - 1, h - 1); return; }
    pen.beginPath();
    pen.roundRect(x + 0.6, top + 0.6, width - 1.2, h - 1.2, 3);
    pen.stroke();
  }

  notch(pen, x, end, y) {
    pen.fillStyle = this.colour.miss;
    if (end - x > 6) pen.fillRect(x, y + 3, end - x, 2);
    pen.beginPath();
    pen.moveTo(x - 5, y + 3);
    pen.lineTo(x + 5, y + 3);
    pen.lineTo(x, y + 12);
    pen.fill();
    pen.fillRect(x - 0.6, y + 3, 1.2, this.rowH - 8);
  }

  skipped(pen, x, y) {
    pen.strokeStyle = this.colour.quiet;
    pen.lineWidth = 1.4;
    pen.beginPath();
    pen.moveTo(x - 3, y + 9);
    pen.lineTo(x + 3, y + 17);
    pen.moveTo(x + 3, y + 9);
    pen.lineTo(x - 3, y + 17);
    pen.stroke();
  }

  bin(pen, item, y) {
    const { timeline, colour } = this;
    const x = timeline.x(item.due);
    const width = Math.max(2, timeline.x(item.due + item.width) - x - 0.5);
    const order = { bad: 0, miss: 1 }[TONES[item.state]];
    const h = order === undefined ? this.rowH - 9 : 5;
    pen.fillStyle = colour[TONES[item.state]];
    pen.globalAlpha = order === undefined ? Math.min(1, 0.35 + item.count / 12) : 1;
    pen.fillRect(x, order === 1 ? y + this.rowH - 10 : y + 4, width, h);
    pen.globalAlpha = 1;
  }

  band(pen, item, y) {
    const { timeline, colour } = this;
    const x = Math.max(timeline.gutter - 4, timeline.x(item.due));
    const end = Math.min(this.width + 4, timeline.x(item.stop));
    const step = Math.max(5, (item.step / timeline.span) * (this.width - timeline.gutter));
    this.hollow(pen, x, end, y + 4, this.rowH - 9, colour.plan);
    pen.fillStyle = colour.plan;
    pen.globalAlpha = 0.45;
    for (let at = x + step; at < end; at += step) pen.fillRect(at, y + 7, 1, this.rowH - 15);
    pen.globalAlpha = 1;
    if (end - x < 110) return;
    const words = `every ${spanShort(item.step)}`;
    pen.font = "500 11px Inter, sans-serif";
    const width = pen.measureText(words).width;
    pen.fillStyle = colour.surface;
    pen.fillRect(x + 8, y + 6, width + 10, this.rowH - 13);
    pen.fillStyle = colour.muted;
    pen.fillText(words, x + 13, y + 16.5);
  }

  nowLine(pen, top, bottom) {
    const x = Math.round(this.timeline.x(this.timeline.now()));
    pen.fillStyle = this.colour.accent;
    pen.fillRect(x - 1, top, 2, bottom - top);
  }

  labels(pen) {
    const { timeline, colour } = this;
    const [first, last] = timeline.visibleRows();
    pen.fillStyle = colour.surface;
    pen.fillRect(0, AXIS_H, timeline.gutter, this.height);
    pen.textBaseline = "middle";
    for (let row = first; row < last; row += 1) {
      const y = AXIS_H - timeline.scroll.scrollTop + row * this.rowH;
      const isChosen = row === timeline.selected.row;
      if (isChosen) { pen.fillStyle = colour["accent-soft"]; pen.fillRect(0, y, timeline.gutter, this.rowH - 1); }
      pen.fillStyle = colour.line;
      pen.fillRect(0, y + this.rowH - 1, timeline.gutter, 1);
      pen.font = "500 12px 'JetBrains Mono', monospace";
      pen.fillStyle = timeline.paused?.has(row) ? colour.muted : colour.ink;
      const mark = timeline.paused?.has(row) ? " ‖" : "";
      pen.fillText(fit(pen, timeline.rows[row], timeline.gutter - 22, middleOut) + mark, 14, y + this.rowH / 2);
    }
    pen.textBaseline = "alphabetic";
    pen.fillStyle = colour.line;
    pen.fillRect(timeline.gutter - 1, 0, 1, this.height);
  }

  axis(pen, ticks) {
    const { timeline, colour } = this;
    pen.fillStyle = colour.surface;
    pen.fillRect(0, 0, this.width, AXIS_H);
    pen.font = "500 11px Inter, sans-serif";
    const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone() });
    const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: zone() });
    const nowX = timeline.x(timeline.now());
    let lastDay = -1000;
    ticks.forEach(({ t, isDay }, index) => {
      const x = timeline.x(t);
      if (isDay || index === 0) {
        if (x - lastDay > 80) { pen.fillStyle = colour["ink-2"]; pen.fillText(day.format(t * 1000), x + 4, 14); lastDay = x; }
      }
      pen.fillStyle = colour.muted;
      if (Math.abs(x + 18 - nowX) > 42) pen.fillText(clock.format(t * 1000), x + 4, 30);
      pen.fillStyle = colour.line;
      pen.fillRect(Math.round(x), isDay ? 4 : 20, isDay ? 2 : 1, AXIS_H);
    });
    this.corner(pen);
    const x = timeline.x(timeline.now());
    if (x < timeline.gutter || x > this.width) return;
    const words = clock.format(timeline.now() * 1000);
    const width = pen.measureText(words).width + 12;
    const left = Math.min(this.width - width, Math.max(timeline.gutter, x - width / 2));
    pen.fillStyle = colour.accent;
    pen.beginPath();
    pen.roundRect(left, AXIS_H - 19, width, 17, 4);
    pen.fill();
    pen.fillStyle = colour.surface;
    pen.fillText(words, left + 6, AXIS_H - 6.5);
  }

  corner(pen) {
    const { timeline, colour } = this;
    pen.fillStyle = colour.surface;
    pen.fillRect(0, 0, timeline.gutter, AXIS_H);
    pen.fillStyle = colour.muted;
    pen.fillText(`${timeline.rows.length} ${timeline.by}${timeline.rows.length === 1 ? "" : "s"}`, 14, 22);
    pen.fillStyle = colour.line;
    pen.fillRect(0, AXIS_H - 1, this.width, 1);
    pen.fillRect(timeline.gutter - 1, 0, 1, AXIS_H);
  }

  paintCurve(ticks) {
    const { curve: pen, timeline, colour } = this;
    const { curve } = timeline.tiles;
    pen.fillStyle = colour.surface;
    pen.fillRect(0, 0, this.width, CURVE_H);
    this.grid(pen, ticks, 0, CURVE_H);
    if (curve) this.area(pen, curve);
    this.nowLine(pen, 0, CURVE_H);
    pen.fillStyle = colour.surface;
    pen.fillRect(0, 0, timeline.gutter - 1, CURVE_H);
    if (curve) this.scale(pen, curve);
    pen.fillStyle = colour.line;
    pen.fillRect(timeline.gutter - 1, 0, 1, CURVE_H);
  }

  area(pen, curve) {
    const { timeline, colour } = this;
    const first = Math.max(0, Math.floor((timeline.begin - curve.first) / curve.step_s) - 1);
    const last = Math.min(curve.cpus.length, Math.ceil((timeline.begin + timeline.span - curve.first) / curve.step_s) + 1);
    let most = 0.5;
    for (let i = first; i < last; i += 1) most = Math.max(most, curve.cpus[i]);
    this.most = curve.capacity > 0 && curve.capacity < most * 3 ? Math.max(most, curve.capacity) * 1.12 : most * 1.2;
    const y = (value) => CURVE_H - 6 - (value / this.most) * (CURVE_H - 16);
    const now = timeline.x(timeline.now());
    const outline = () => {
      pen.beginPath();
      pen.moveTo(timeline.x(curve.first + first * curve.step_s), y(0));
      for (let i = first; i < last; i += 1) {
        const at = timeline.x(curve.first + i * curve.step_s);
        pen.lineTo(at, y(curve.cpus[i]));
        pen.lineTo(timeline.x(curve.first + (i + 1) * curve.step_s), y(curve.cpus[i]));
      }
      pen.lineTo(timeline.x(curve.first + last * curve.step_s), y(0));
    };
    for (const [from, to, alpha] of [[timeline.gutter, now, 0.85], [Math.max(now, timeline.gutter), this.width, 0.3]]) {
      if (to <= from) continue;
      pen.save();
      pen.beginPath();
      pen.rect(from, 0, to - from, CURVE_H);
      pen.clip();
      outline();
      pen.globalAlpha = alpha;
      pen.fillStyle = alpha > 0.5 ? colour.run : colour.plan;
      pen.fill();
      pen.globalAlpha = 1;
      pen.strokeStyle = alpha > 0.5 ? colour.run : colour.plan;
      pen.lineWidth = 1;
      pen.stroke();
      pen.restore();
    }
    if (curve.capacity > 0 && curve.capacity <= this.most) {
      pen.strokeStyle = colour.bad;
      pen.setLineDash([5, 4]);
      pen.beginPath();
      pen.moveTo(timeline.gutter, y(curve.capacity));
      pen.lineTo(this.width, y(curve.capacity));
      pen.stroke();
      pen.setLineDash([]);
    }
  }

  scale(pen, curve) {
    const { timeline, colour } = this;
    const at = Math.floor((timeline.now() - curve.first) / curve.step_s);
    const text = (words, y, ink = colour.muted, weight = 500, size = 11) => { pen.font = `${weight} ${size}px Inter, sans-serif`; pen.fillStyle = ink; pen.fillText(fit(pen, words, timeline.gutter - 20), 14, y); };
    text("CPUs asked for", 22, colour["ink-2"], 600, 12);
    if (curve.cpus[at] !== undefined) text(`now ${curve.cpus[at].toFixed(1)} in ${Math.round(curve.jobs[at])} job${Math.round(curve.jobs[at]) === 1 ? "" : "s"}`, 41);
    text(curve.capacity ? `of ${curve.capacity} CPUs${curve.capacity > this.most ? " ↑" : ""}` : "no active node", 58, curve.capacity ? colour.muted : colour.bad);
    if (curve.sampled > 1) text(`ahead: each ${curve.sampled}th schedule`, 75);
    const foot = document.querySelector("[data-curve-words]");
    const words = `CPUs asked for: what ran, and what is planned after ${momentWords(timeline.now())}${curve.sampled > 1 ? `; the plan is estimated from every ${curve.sampled}th schedule` : ""}`;
    if (foot && foot.textContent !== words) foot.textContent = words;
  }
}

function fit(pen, text, width, shortened = endOff) {
  if (pen.measureText(text).width <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(shortened(text, middle)).width <= width) low = middle; else high = middle - 1;
  }
  return shortened(text, low);
}

function endOff(text, kept) {
  return `${text.slice(0, kept)}…`;
}

// what tells instances of one place apart stands at the end of their names
function middleOut(text, kept) {
  return `${text.slice(0, kept >> 1)}…${text.slice(text.length - kept + (kept >> 1))}`;
}

// Parts of the timeline by rows and time, asked for when they come near and kept while they are.
const BLOCK = 32; // rows of a tile
const AT_ONCE = 3;
const MOST_KEPT = 240;
const TERMINAL = new Set(["SUCCEEDED", "FAILED", "TIMED_OUT", "ENDED", "CANCELLED", "MISSED", "SKIPPED", "UPSTREAM_FAILED", "LOST"]);

export class Tiles {
  constructor(timeline, changed) {
    this.timeline = timeline;
    this.changed = changed;
    this.kept = new Map();
    this.queue = [];
    this.loading = new Map();
    this.curve = null;
  }

  level() { return Math.ceil(Math.log2(this.timeline.span)); }

  // the tiles that are seen, and those beside them
  needed() {
    const { begin, span } = this.timeline;
    const level = this.level();
    const size = 2 ** level;
    const [first, last] = this.timeline.visibleRows();
    const found = [];
    for (let block = Math.floor(first / BLOCK); block * BLOCK < last; block += 1) {
      const from = Math.floor(begin / size);
      const to = Math.floor((begin + span) / size);
      for (let index = from - 1; index <= to + 1; index += 1) {
        found.push({ block, level, index, size, beside: index < from || index > to, key: `${block}/${level}/${index}` });
      }
    }
    return found;
  }

  want() {
    if (!this.timeline.rows.length) return;
    const needed = this.needed();
    this.queue = needed.filter((tile) => !this.kept.has(tile.key) && !this.loading.has(tile.key));
    this.queue.sort((a, b) => a.beside - b.beside);
    this.pump();
    this.wantCurve();
    if (this.kept.size > MOST_KEPT) {
      const seen = new Set(needed.map((tile) => tile.key));
      for (const key of this.kept.keys()) {
        if (this.kept.size <= MOST_KEPT * 0.7) break;
        if (!seen.has(key)) this.kept.delete(key);
      }
    }
  }

  // what touches the present is asked for again; the old stays until the new is there
  renew() {
    const now = this.timeline.now();
    const fresh = this.needed().filter((tile) => (tile.index + 1) * tile.size > now - 7200 && tile.index * tile.size <= now + 60 && !this.loading.has(tile.key));
    const waiting = new Set(this.queue.map((tile) => tile.key));
    this.queue.push(...fresh.filter((tile) => !waiting.has(tile.key)));
    this.pump();
  }

  pump() {
    while (this.loading.size < AT_ONCE && this.queue.length) this.load(this.queue.shift());
  }

  async load(tile) {
    this.loading.set(tile.key, tile);
    const { timeline } = this;
    const rows = timeline.rows.slice(tile.block * BLOCK, (tile.block + 1) * BLOCK);
    const query = new URLSearchParams({ since: tile.index * tile.size, until: (tile.index + 1) * tile.size, pixel_s: tile.size / 1000, by: timeline.by });
    for (const row of rows) query.append("row", row);
    try {
      const answer = await fetch(`/timeline/tile.json?${query}`);
      if (answer.ok) this.kept.set(tile.key, { ...tile, rows: arrange(await answer.json(), rows, tile.block * BLOCK, timeline.by) });
    } catch { /* the page says that it is stale; the next look asks again */ }
    this.loading.delete(tile.key);
    this.changed();
    this.pump();
  }

  async wantCurve() {
    const { begin, span } = this.timeline;
    const have = this.curve;
    const isFresh = have && this.timeline.now() - have.readAt < 25;
    if (have && have.since <= begin && have.until >= begin + span && have.forSpan < span * 2.5 && have.forSpan > span / 2.5 && isFresh) return;
    if (this.curveLoading) return;
    this.curveLoading = true;
    await new Promise((resolve) => setTimeout(resolve, have ? 250 : 0));
    const at = this.timeline;
    const since = Math.max(0, at.begin - at.span * 0.5);
    const until = at.begin + at.span * 1.5;
    try {
      const answer = await fetch(`/timeline/curve.json?since=${since.toFixed(0)}&until=${until.toFixed(0)}`);
      if (answer.ok) {
        const curve = await answer.json();
        this.curve = { ...curve, until: curve.since + curve.step_s * curve.cpus.length, forSpan: at.span, readAt: at.now() };
        this.curve.since = Math.min(curve.since, since);
        this.curve.first = curve.since;
      }
    } catch { /* drawn without */ }
    this.curveLoading = false;
    this.changed();
  }

  // every tile to draw, with the time to which it may draw where it stands in for another level
  toDraw() {
    const found = [];
    for (const tile of this.needed()) {
      const own = this.kept.get(tile.key);
      if (own) { found.push({ tile: own, clip: null }); continue; }
      if (tile.beside) continue;
      const start = tile.index * tile.size;
      for (const other of this.kept.values()) {
        if (other.block !== tile.block || other.level === tile.level) continue;
        if (other.index * other.size < start + tile.size && (other.index + 1) * other.size > start) found.push({ tile: other, clip: [start, start + tile.size] });
      }
    }
    return found;
  }

  itemsOf(row) {
    const items = new Map();
    for (const { tile } of this.toDraw()) for (const item of tile.rows.get(row) || []) items.set(`${item.kind}${item.due}/${item.ordinal}/${item.id || ""}`, item);
    return [...items.values()].sort((a, b) => a.due - b.due || a.ordinal - b.ordinal);
  }

  itemAt(row, time, reach) {
    const now = this.timeline.now();
    let best = null;
    let nearest = Infinity;
    for (const item of this.itemsOf(row)) {
      const [from, to] = extent(item, now);
      const away = time < from ? from - time : time > to ? time - to : 0;
      if (away <= reach && away <= nearest) { best = item; nearest = away; }
    }
    return best;
  }
}

export function extent(item, now) {
  if (item.kind === "planned") return [item.due, item.stop];
  if (item.kind === "bin") return [item.due, item.due + item.width];
  if (item.kind === "band") return [item.due, item.stop];
  if (!item.start) return [item.due, TERMINAL.has(item.state) ? item.due : Math.max(item.due, now)];
  if (item.end) return [item.due, item.end];
  return [item.due, Math.max(now, item.stop || now)];
}

function arrange(answer, names, offset, by) {
  const place = new Map(names.map((name, index) => [name, offset + index]));
  const rows = new Map(names.map((_, index) => [offset + index, []]));
  const put = (name, item) => rows.get(place.get(name))?.push(item);
  const known = new Set();
  for (const [name, due, start, end, stop, state, id, ordinal, reason, other, until, late] of answer.jobs || []) {
    known.add(`${name}/${due}`);
    put(name, { kind: "job", due, start, end, stop, state, id, ordinal, reason, other, until, late: (late || 0) / 1000, lane: ordinal });
  }
  for (const [name, due, state, count] of answer.bins || []) put(name, { kind: "bin", due, width: answer.bin_s, state, count, ordinal: 0 });
  for (const [name, due, stop] of answer.planned || []) if (!known.has(`${name}/${due}`)) put(name, { kind: "planned", state: "PLANNED", due, stop, ordinal: 0 });
  for (const [name, due, stop, step] of answer.bands || []) put(name, { kind: "band", state: "PLANNED", due, stop, step, ordinal: 0 });
  for (const items of rows.values()) layLanes(items, by);
  return rows;
}

// jobs of one row that overlap get lanes of their own, at most four
function layLanes(items, by) {
  items.sort((a, b) => a.due - b.due);
  const ends = [];
  let lanes = 1;
  for (const item of items) {
    if (item.kind !== "job") continue;
    if (by === "instance") {
      item.lane = Math.min(3, item.ordinal);
    } else {
      const from = item.start || item.due;
      let lane = ends.findIndex((end) => end <= from);
      if (lane < 0) lane = ends.length < 4 ? ends.length : 3;
      ends[lane] = item.end || Infinity;
      item.lane = lane;
    }
    lanes = Math.max(lanes, item.lane + 1);
  }
  for (const item of items) item.lanes = lanes;
}

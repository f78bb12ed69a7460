// Words of the timeline's tip and of what it says aloud.
const WORDS = {
  PLANNED: "planned", WAITING: "waiting for other jobs", QUEUED: "queued", STARTING: "starting", RUNNING: "running",
  STOPPING: "stopping", UNKNOWN: "unknown: its node is silent", SUCCEEDED: "succeeded", FAILED: "failed", TIMED_OUT: "timed out",
  ENDED: "ended at its stop time", CANCELLED: "cancelled", MISSED: "missed", SKIPPED: "skipped", UPSTREAM_FAILED: "upstream failed", LOST: "lost",
};

export function zone() {
  return document.body.dataset.zone === "mine" ? Intl.DateTimeFormat().resolvedOptions().timeZone : "UTC";
}

export function momentWords(seconds, withSeconds = false) {
  return new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: withSeconds ? "2-digit" : undefined, timeZone: zone() }).format(seconds * 1000);
}

export function spanShort(seconds) {
  const whole = Math.round(Math.abs(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h${Math.floor((whole % 3600) / 60) ? ` ${Math.floor((whole % 3600) / 60)} min` : ""}`;
  return `${Math.floor(whole / 86400)} d${Math.floor((whole % 86400) / 3600) ? ` ${Math.floor((whole % 86400) / 3600)} h` : ""}`;
}

export function stateWords(item, now, by) {
  const zoneName = document.body.dataset.zone === "mine" ? "" : " UTC";
  if (item.kind === "bin") return [`${item.count} jobs ${WORDS[item.state]}`, `from ${momentWords(item.due)}${zoneName}`];
  if (item.kind === "band") return [`planned every ${spanShort(item.step)}`];
  const lines = [`${WORDS[item.state] || item.state}${item.reason ? ` (${item.reason.replaceAll("_", " ")})` : ""}`, `due ${momentWords(item.due, true)}${zoneName}`];
  if (item.start) {
    const end = item.end || now;
    lines.push(`${item.end ? "ran" : "runs for"} ${spanShort(end - item.start)}`);
    if (item.late > 60) lines.push(`started ${spanShort(item.late)} late`);
    else if (item.start - item.due > 60) lines.push(`waited ${spanShort(item.start - item.due)} for other jobs`);
  } else if (item.kind === "planned") {
    lines.push(`in ${spanShort(item.due - now)}, until about ${momentWords(item.stop)}`);
  } else if (item.state === "QUEUED" || item.state === "WAITING") {
    lines.push(`waits for ${spanShort(now - item.due)}`);
  }
  if (item.until) lines.push(`and so on until ${momentWords(item.until)}`);
  if (by === "instance" && item.other) lines.push(`on ${item.other}`);
  return lines;
}

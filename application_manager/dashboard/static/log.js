// The output of a job: read as it comes, kept to the last lines, searched in place.
const MOST_CHARACTERS = 400000;
const TAIL_LINES = 2000;

export function startLog() {
  const card = document.querySelector("[data-log]");
  if (!card) return;
  const log = { card, text: card.querySelector("[data-log-text]"), state: card.querySelector("[data-log-state]"), content: "", abort: null, query: "" };
  const follow = card.querySelector("[data-log-follow]");
  follow.addEventListener("click", () => {
    const on = follow.getAttribute("aria-pressed") !== "true";
    follow.setAttribute("aria-pressed", String(on));
    if (on) read(log, true); else { log.abort?.abort(); say(log, "paused"); }
  });
  card.querySelector("[data-log-find]").addEventListener("input", (event) => {
    log.query = event.target.value;
    draw(log);
    log.text.querySelector("mark")?.scrollIntoView({ block: "center" });
  });
  addEventListener("pagehide", () => log.abort?.abort());
  read(log, "follow" in card.dataset);
}

function say(log, words) {
  log.state.textContent = words;
}

async function read(log, following) {
  log.abort?.abort();
  const abort = new AbortController();
  log.abort = abort;
  log.content = "";
  say(log, following ? "waiting for output" : "reading");
  try {
    const answer = await fetch(`${log.card.dataset.log}?tail=${TAIL_LINES}${following ? "&follow=true" : ""}`, { signal: abort.signal });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      hint(log, answer.status === 404 ? "No output yet: the job was not on any machine, or its machine is gone." : `${problem.detail || `The server answered ${answer.status}.`}`);
      say(log, "");
      return;
    }
    say(log, following ? "following" : "");
    await pump(log, answer.body.getReader());
    say(log, "the end");
    if (!log.content) hint(log, "The job wrote nothing.");
  } catch (error) {
    if (error.name !== "AbortError") say(log, "broken off");
  }
}

async function pump(log, reader) {
  const decoder = new TextDecoder();
  let frame = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    log.content = (log.content + decoder.decode(value, { stream: true })).slice(-MOST_CHARACTERS);
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => draw(log));
  }
  draw(log);
}

function hint(log, words) {
  const span = document.createElement("span");
  span.className = "hint";
  span.textContent = words;
  log.text.replaceChildren(span);
}

function draw(log) {
  const atEnd = log.text.scrollHeight - log.text.scrollTop - log.text.clientHeight < 40;
  if (!log.query) {
    log.text.textContent = log.content;
  } else {
    const needle = log.query.toLowerCase();
    const lower = log.content.toLowerCase();
    const parts = [];
    let at = 0;
    for (let found = lower.indexOf(needle); found >= 0 && parts.length < 4000; found = lower.indexOf(needle, at)) {
      const mark = document.createElement("mark");
      mark.textContent = log.content.slice(found, found + needle.length);
      parts.push(log.content.slice(at, found), mark);
      at = found + needle.length;
    }
    log.text.replaceChildren(...parts, log.content.slice(at));
    say(log, `${Math.floor(parts.length / 2)} found`);
  }
  if (atEnd && !log.query) log.text.scrollTop = log.text.scrollHeight;
}

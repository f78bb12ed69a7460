// The upload screen: a file becomes text, problems lead to their lines, apply is bound to the plan.
import { ask, send, toast } from "./actions.js";
import { startWriter } from "./writer.js";

const MOST_BYTES = 262144;

export function startUpload() {
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const text = form.querySelector("[data-text]");
  const name = form.querySelector("[data-name]");
  const take = async (file) => {
    if (!file) return;
    if (file.size > MOST_BYTES) { toast(`${file.name} has ${Math.ceil(file.size / 1024)} KiB; at most 256 KiB are read.`, "bad"); return; }
    text.value = await file.text();
    name.value = file.name;
    form.querySelector("[data-file-name]").textContent = file.name;
    form.requestSubmit();
  };
  form.querySelector("[data-file]").addEventListener("change", (event) => take(event.target.files[0]));
  const drop = form.querySelector("[data-drop]");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("is-over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  }
  startWriter(form, text);
  document.querySelector("[data-example]").addEventListener("click", () => {
    text.value = form.querySelector("[data-example-text]").content.textContent;
    text.focus();
  });
  document.addEventListener("htmx:afterSwap", () => document.querySelector("#answer [data-focus]")?.focus());
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.elt === form) toast(`The server answered ${event.detail.xhr.status}: nothing was changed.`, "bad");
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (link) { event.preventDefault(); goTo(text, Number(link.dataset.line), Number(link.dataset.column)); }
    const button = event.target.closest("[data-apply]");
    if (button) apply(form, button);
  });
}

function goTo(text, line, column) {
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
  text.focus();
  text.setSelectionRange(start, start + Math.max(1, (lines[line - 1] || "").length - column + 1));
  text.scrollTop = Math.max(0, (line - 6) * 20);
}

async function apply(form, button) {
  const said = await ask({ title: "Apply this plan?", text: "It takes effect at once, all or nothing. If somebody has changed an instance since the plan was made, nothing happens and you are told.", yes: "Apply" });
  if (!said) return;
  button.disabled = true;
  try {
    const body = { files: [{ name: form.elements.name.value, text: form.elements.text.value }], prune: form.elements.prune.checked };
    const done = await send("/api/v1/schedules/apply", { body, headers: { "if-match": `"${button.dataset.etag}"`, "idempotency-key": crypto.randomUUID?.() || String(Math.random()).slice(2) } });
    toast(`Applied: ${done.added} added, ${done.changed} changed, ${done.removed} removed.`);
    form.requestSubmit();
  } catch (error) {
    toast(error.message, "bad");
    button.disabled = false;
  }
}

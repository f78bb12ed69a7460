// Buttons that do something: ask first, send it to the API with the CSRF token, tell the outcome.
import { refresh } from "./live.js";

export function toast(text, tone = "good") {
  const box = document.createElement("div");
  box.className = `toast tone-${tone}`;
  box.textContent = text;
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), tone === "bad" ? 12000 : 5000);
}

export async function send(url, { method = "POST", body, headers = {} } = {}) {
  const sent = { "x-csrf-token": document.body.dataset.csrf, accept: "application/json", ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error("The application manager does not answer. Nothing is known of the outcome: look before you repeat it.");
  }
  const text = await answer.text();
  let value = {};
  try { value = JSON.parse(text); } catch { /* an empty answer is one too */ }
  if (!answer.ok) throw new Error(problemWords(answer.status, value));
  return value;
}

function problemWords(status, value) {
  if (status === 401 && value.code !== "login_refused") return "Your session has ended: log in again.";
  if (status === 404 && value.code === "not_found") return "This server cannot do that yet.";
  const errors = (value.errors || []).slice(0, 3).map((each) => `${each.path ? `${each.path}: ` : ""}${each.message}`);
  return [value.detail || `The server answered ${status}.`, ...errors].join(" ");
}

export function ask({ title, text = "", yes = "Yes", danger = false, label = "" }) {
  const dialog = document.getElementById("ask");
  dialog.querySelector("[data-ask-title]").textContent = title;
  dialog.querySelector("[data-ask-text]").textContent = text;
  const field = dialog.querySelector("[data-ask-field]");
  const input = field.querySelector("input");
  field.hidden = !label;
  input.value = "";
  input.required = Boolean(label);
  dialog.querySelector("[data-ask-label]").textContent = label;
  const button = dialog.querySelector("[data-ask-yes]");
  button.textContent = yes;
  button.classList.toggle("danger", danger);
  dialog.returnValue = "no";
  dialog.showModal();
  (label ? input : button).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.querySelector("[data-ask-text]").textContent = "";  // it may be a secret, shown once
      resolve(dialog.returnValue === "yes" ? { answer: input.value } : null);
    }, { once: true });
  });
}

async function act(button) {
  const wish = button.dataset;
  if (wish.ask) {
    const said = await ask({ title: wish.ask, text: wish.why, yes: wish.yes, danger: "danger" in wish, label: wish.label });
    if (!said) return;
    if (wish.field) button.body = { [wish.field]: said.answer };
  }
  const body = wish.json ? JSON.parse(wish.json) : button.body;
  button.disabled = true;
  try {
    await send(wish.post, { method: wish.method || "POST", body });
    if (wish.then) { location.assign(wish.then); return; }
    toast(`${wish.yes || "Done"}: asked for. The page shows it as soon as it has happened.`);
    refresh();
  } catch (error) {
    toast(error.message, "bad");
  } finally {
    button.disabled = false;
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied: ${text}`);
  } catch {
    toast(`The browser does not let this page copy. The text is: ${text}`, "warn");
  }
}

async function sendForm(form) {
  const body = Object.fromEntries(new FormData(form));
  for (const name of (form.dataset.lists || "").split(" ")) if (name) body[name] = new FormData(form).getAll(name);
  for (const field of form.querySelectorAll("[data-optional]")) if (!field.value) delete body[field.name];
  const wrong = form.querySelector("[data-wrong]");
  const again = form.querySelector("[data-same]");
  if (wrong) wrong.textContent = "";
  if (again && again.value !== body[again.dataset.same]) {
    wrong.textContent = "The two are not the same.";
    again.focus();
    return;
  }
  try {
    const answer = await send(form.dataset.jsonForm, { body });
    if (form.dataset.then) { location.assign(form.dataset.then); return; }
    form.closest("dialog").close();
    form.reset();
    const shown = form.dataset.shows && answer[form.dataset.shows];
    if (shown) {
      const text = form.dataset.shows === "path" ? location.origin + shown : shown;
      await ask({ title: "Copy it now: it is not shown again", text, yes: "I have it" });
    }
    refresh();
  } catch (error) {
    if (wrong) wrong.textContent = error.message;
    else toast(error.message, "bad");
  }
}

function applyRole() {
  if (document.body.dataset.role !== "viewer") return;
  for (const button of document.querySelectorAll("[data-operator]")) {
    button.disabled = true;
    button.title = "This needs the role operator";
  }
}

export function startActions() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.post) { button.closest("dialog")?.close(); act(button); }
    else if (button.dataset.copy) copy(button.dataset.copy);
    else if (button.dataset.dialog) document.getElementById(button.dataset.dialog).showModal();
    else if ("close" in button.dataset) button.closest("dialog").close();
    else if ("help" in button.dataset) document.getElementById("keys").showModal();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.jsonForm) return;
    event.preventDefault();
    sendForm(event.target);
  });
  applyRole();
  document.addEventListener("htmx:afterSwap", applyRole);
}

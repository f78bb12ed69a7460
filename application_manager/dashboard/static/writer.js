// The form that writes a schedule file: it adds one instance to the text, in the file's own language.
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._/@-]*$/;
const SCHEDULE_KEYS = { window: ["start_time", "end_time", "interval"], daily: ["start_time", "end_time"], every: ["start", "interval"], once: ["start"], cron: ["cron"] };

export function startWriter(form, text) {
  const box = form.querySelector("[data-writer]");
  const field = (key) => box.querySelector(`[data-key=${key}]`);
  const choose = () => {
    for (const label of box.querySelectorAll("[data-for]")) label.hidden = !label.dataset.for.split(" ").includes(field("form").value);
  };
  field("form").addEventListener("change", choose);
  choose();
  box.querySelector("[data-write]").addEventListener("click", () => {
    if (!field("id").value || !field("app").value) { field(field("id").value ? "app" : "id").focus(); return; }
    const values = Object.fromEntries([...box.querySelectorAll("[data-key]")].map((each) => [each.dataset.key, each.type === "checkbox" ? each.checked : each.value.trim()]));
    text.value = addInstance(text.value, values);
    text.scrollTop = text.scrollHeight;
  });
}

export function addInstance(file, values) {
  const head = file.trim() ? file.replace(/\s*$/, "\n") : "version: 1\ninstances:\n";
  return head + instanceLines(values).join("\n") + "\n";
}

function instanceLines(values) {
  const lines = [`  - id: ${scalar(values.id)}`, `    app: ${scalar(values.app)}`];
  if (values.timezone && values.timezone !== "UTC") lines.push(`    timezone: ${scalar(values.timezone)}`);
  if (values.standalone) lines.push("    machine: standalone");
  lines.push("    schedule:");
  for (const key of [...SCHEDULE_KEYS[values.form], "duration"]) if (values[key]) lines.push(`      ${key}: ${scalar(values[key])}`);
  const dayBased = values.form === "window" || values.form === "daily";
  if (values.days && dayBased) lines.push(`      days: [${values.days.split(/[ ,]+/).filter(Boolean).join(", ")}]`);
  return lines;
}

function scalar(value) {
  return PLAIN.test(value) && !/^[0-9.:-]+$/.test(value) ? value : JSON.stringify(value);
}

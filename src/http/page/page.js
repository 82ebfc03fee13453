"use strict";
// The sessions as a table, their output and what can be done with them. What the server sends is only ever set as text.

const by = (id) => document.getElementById(id);
const terminal = new Set(["exited", "failed", "stopped", "expired", "cancelled", "parked", "lost"]);
const longestLog = 2 << 20;  // characters that the log dialog keeps
let sessions = [];
let events = null;  // the AbortController of the stream of events
let reloading = null;
let again = false;
let log = null;
const underWay = new Set();  // sessions with a request that has not been answered

// The token of an address that needs one. sessionStorage is for this origin, port included, and this tab; a cookie would
// go to every port of the host, whoever listens there.
const headers = () => {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: "Bearer " + token } : {};
};

async function ask(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", ...options, headers: { ...headers(), ...options.headers } });
  if (response.status === 401) {
    showLogin();
    throw new Error("the token is needed");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const said = (problem.details || []).filter(Boolean).join(" – ") || problem.error || "HTTP " + response.status;
    throw new Error([said, problem.hint].filter(Boolean).join(" – "));
  }
  return response;
}

// Calls for each server-sent event; returns at the end of the stream.
async function follow(path, signal, opened, heard) {
  const response = await ask(path, { signal });
  opened();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const event = { name: "message", data: "" };
      for (const line of rest.slice(0, end).split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      rest = rest.slice(end + 2);
      if (event.data) heard(event);
    }
  }
}

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "label") made.setAttribute("aria-label", value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

// Texts

const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + "s";
  if (s < 3600) return Math.floor(s / 60) + "min " + (s % 60) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h " + Math.floor((s % 3600) / 60) + "min";
  return Math.floor(s / 86400) + "d " + Math.floor((s % 86400) / 3600) + "h";
}

function bytes(count) {
  if (count === null) return "";
  const units = ["B", "K", "M", "G", "T"];
  let unit = 0;
  for (; count >= 1024 && unit < 4; ++unit) count /= 1024;
  return (unit ? count.toFixed(1) : count) + units[unit];
}

function cpu(ns) {
  if (ns === null) return "";
  return ns < 1e9 ? Math.floor(ns / 1e6) + "ms" : ns < 6e10 ? (ns / 1e9).toFixed(1) + "s" : span(ns / 1e9);
}

// "healthy" where there is a check that says so.
function stateOf(session) {
  const { state, healthy } = session;
  if (state === "running" && healthy !== null) return healthy ? ["healthy", "green"] : ["unhealthy", "red"];
  if (state === "running") return [state, "green"];
  if (["failed", "parked", "lost"].includes(state)) return [state, "red"];
  return [state, terminal.has(state) ? "" : "yellow"];
}

// Rows

function nameCell(session) {
  const command = session.command.join(" ");
  const cell = element("td", { className: "name" }, session.name);
  if (command) cell.append(element("div", { className: "mono", title: clip(command, 1000) }, clip(command, 200)));
  return cell;
}

function stateCell(session) {
  const [text, color] = stateOf(session);
  const cell = element("td", {}, element("span", { className: "state " + color }, text));
  const reason = session.reason && session.reason.startsWith(text + ": ") ? session.reason.slice(text.length + 2) : session.reason;
  if (reason && reason !== text) cell.append(element("div", { className: "reason", title: clip(reason, 1000) }, clip(reason, 120)));
  return cell;
}

function pidCell(session) {
  return numberCell("pid", session.pid && !terminal.has(session.state) ? String(session.pid) : "");
}

function portsCell(session) {
  const cell = element("td", { className: "number" });
  const dead = terminal.has(session.state);
  for (const port of session.ports) {
    const href = "http://" + (location.hostname || "localhost") + ":" + port + "/";
    const link = element("a", { href, target: "_blank", rel: "noreferrer" }, String(port));
    link.dataset.key = port + " " + session.id;
    cell.append(dead ? String(port) + " " : link);
  }
  return cell;
}

function attrsCell(session) {
  const cell = element("td", { className: "attrs" });
  for (const [key, value] of Object.entries({ ...session.labels, ...session.attrs })) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    cell.append(element("div", { title: clip(text, 1000) }, element("b", {}, key), " " + clip(text, 40)));
  }
  return cell;
}

// Where there is no room for columns, the label stands before the number.
function numberCell(label, text) {
  const cell = element("td", { className: "right number" }, ...(text ? [text] : []));
  cell.dataset.label = label;
  return cell;
}

// Those whose text is the time's are written anew each second.
function timeCell(label, text, soon) {
  const cell = numberCell(label, "");
  cell.update = () => {
    cell.textContent = text();
    cell.classList.toggle("soon", Boolean(soon && soon()));
  };
  cell.update();
  return cell;
}

function upCell(session) {
  const start = Date.parse(session.started_at);
  return timeCell("up", () => (session.started_at ? span(((Date.parse(session.ended_at) || Date.now()) - start) / 1000) : ""));
}

function leftCell(session) {
  const left = () => (Date.parse(session.expires_at) - Date.now()) / 1000;
  const limited = session.expires_at && !terminal.has(session.state);
  return timeCell("left", () => (limited ? span(left()) : ""), () => limited && left() < 300);
}

function button(text, session, act) {
  const made = element("button", { type: "button", label: text + " " + session.name }, text);
  made.dataset.key = text + " " + session.id;
  made.disabled = text !== "Log" && underWay.has(session.id);
  made.addEventListener("click", () => act(session));
  return made;
}

function row(session) {
  const live = !terminal.has(session.state);
  const detached = !session.unit.endsWith(".scope");
  const actions = element("td", { className: "actions" });
  if (detached) actions.append(button("Log", session, openLog));
  if (live && session.expires_at && detached) actions.append(button("Extend", session, extend));
  if (detached && session.state !== "queued") actions.append(button(live ? "Restart" : "Start again", session, restart));
  if (live) actions.append(button("Stop", session, stop));
  return element("tr", {}, nameCell(session), stateCell(session), pidCell(session), portsCell(session), attrsCell(session),
    numberCell("CPU", cpu(session.usage.cpu_ns)), numberCell("memory", bytes(session.usage.memory_bytes)), upCell(session), leftCell(session), actions);
}

const columns = [["Name"], ["State"], ["PID", "right"], ["Ports"], ["Attributes"], ["CPU", "right"],
  ["Memory", "right"], ["Uptime", "right"], ["Time left", "right"], ["Actions", "right"]];

function group(project, members) {
  const heading = element("h2", {}, project || "(unassigned)", element("span", {}, String(members.length)));
  const head = element("tr", {}, ...columns.map(([text, className = ""]) => element("th", { scope: "col", className }, text)));
  const table = element("table", { label: "Sessions of " + (project || "no project") }, element("thead", {}, head),
    element("tbody", {}, ...members.map(row)));
  return element("section", { className: "project" }, heading, table);
}

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function show() {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
  const groups = new Map();
  for (const session of sessions) {
    const project = session.project || "";
    if (!groups.has(project)) groups.set(project, []);
    groups.get(project).push(session);
  }
  const sections = [...groups.entries()].sort(([a], [b]) => order(a, b)).map(([project, members]) =>
    group(project, members.sort((a, b) => order(a.name, b.name) || order(b.created_at, a.created_at))));
  by("sessions").replaceChildren(...sections);
  const live = sessions.filter((session) => !terminal.has(session.state)).length;
  by("count").textContent = live + (live === 1 ? " session" : " sessions");
  by("empty").hidden = sessions.length > 0;
  // The same button or link is there again, but another element.
  if (focused) for (const made of document.querySelectorAll("button, a")) if (made.dataset.key === focused) made.focus();
}

function complain(text) {
  by("trouble").textContent = text;
  by("trouble").hidden = !text;
}

// One at a time; what is asked for meanwhile is one more afterwards.
function reload() {
  if (reloading) {
    again = true;
    return reloading;
  }
  reloading = ask("/api/sessions" + (by("ended").checked ? "?all=1" : ""))
    .then((response) => response.json())
    .then((body) => {
      sessions = body.items;
      by("login").hidden = true;
      show();
    })
    .catch((error) => {
      if (by("login").hidden) {
        by("count").textContent = "? sessions";
        link("not connected", "wait");
        if (!(error instanceof TypeError)) complain(error.message);
      }
    })
    .finally(() => {
      reloading = null;
      if (again) {
        again = false;
        reload();
      }
    });
  return reloading;
}

function link(text, kind) {
  by("link-text").textContent = text;
  by("link").firstElementChild.className = "dot " + kind;
}

const reconnectDelay = 2000;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function followEvents() {
  for (;;) {
    events = new AbortController();
    try {
      await follow("/api/events", events.signal, () => {
        link("live", "live");
        reload();
      }, () => reload());
    } catch (error) {
      // The link's text says it.
    }
    if (!by("login").hidden) return;
    link("not connected", "wait");
    await sleep(reconnectDelay);
  }
}

function showLogin() {
  if (!by("login").hidden) return;
  sessionStorage.removeItem("token");
  by("login").hidden = false;
  by("empty").hidden = true;
  by("sessions").replaceChildren();
  by("count").textContent = "";
  link("not connected", "wait");
  by("token").focus();
}

by("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", by("token").value.trim());
  by("token").value = "";
  by("login").hidden = true;
  complain("");
  start();
});

// What can be done

function confirmed(title, text, yes, { danger = false, asksSpan = false } = {}) {
  const dialog = by("confirm");
  by("confirm-title").textContent = title;
  by("confirm-text").textContent = text;
  by("confirm-yes").textContent = yes;
  by("confirm-yes").className = danger ? "danger" : "primary";
  by("span-row").hidden = !asksSpan;
  dialog.returnValue = "no";
  dialog.showModal();
  if (asksSpan) by("span").focus();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

// Enter in the field means yes, not the first button of the form.
by("span").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  by("confirm").close("yes");
});

async function request(session, verb, body) {
  underWay.add(session.id);
  show();
  try {
    await ask("/api/sessions/" + encodeURIComponent(session.id) + "/" + verb,
      { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    complain("");
  } catch (error) {
    complain("Cannot " + verb + " " + session.name + ": " + error.message);
  } finally {
    underWay.delete(session.id);
    reload();
  }
}

async function stop(session) {
  const text = "Every process of it ends: first SIGTERM, then SIGKILL.";
  if (await confirmed("Stop " + session.name + "?", text, "Stop", { danger: true })) request(session, "stop", {});
}

async function restart(session) {
  const live = !terminal.has(session.state);
  const text = live ? "Its processes end, and the same command starts again."
    : "The same command starts as a new session, in the environment of the server.";
  if (await confirmed((live ? "Restart " : "Start ") + session.name + "?", text, live ? "Restart" : "Start")) request(session, "restart", {});
}

async function extend(session) {
  const text = "It ends at " + new Date(session.expires_at).toLocaleString() + ".";
  if (await confirmed("Extend " + session.name, text, "Extend", { asksSpan: true })) request(session, "extend", { by: by("span").value });
}

// The log

function logStatus(text, kind) {
  by("log-status").textContent = text;
  by("log-dot").className = "dot " + kind;
}

function addToLog(node) {
  const view = by("log-text");
  const atBottom = view.scrollHeight - view.scrollTop - view.clientHeight <= 40;
  view.append(node);
  log.size += node.textContent.length;
  while (log.size > longestLog && view.childNodes.length > 1) {
    log.size -= view.firstChild.textContent.length;
    view.firstChild.remove();
  }
  if (atBottom) view.scrollTop = view.scrollHeight;
}

function heardLog(event) {
  if (event.name === "done") {
    log.done = true;
  } else if (event.name === "gap") {
    addToLog(element("span", { className: "gap" }, "… " + (JSON.parse(event.data).lines || "a part of a line") + " missing …\n"));
  } else {
    // Colours and the like of a terminal have no meaning here.
    addToLog(document.createTextNode(JSON.parse(event.data).replace(/\u001b\[[0-9;:?]*[A-Za-z]/g, "")));
  }
}

async function openLog(session) {
  const mine = { stream: new AbortController(), size: 0, done: false };
  log = mine;
  by("log-title").textContent = session.name;
  by("log-text").replaceChildren();
  logStatus("connecting", "wait");
  by("log").showModal();
  by("log-text").focus();
  const path = "/api/sessions/" + encodeURIComponent(session.id) + "/log-stream";
  try {
    await follow(path, mine.stream.signal, () => logStatus("streaming", "live"), (event) => log === mine && heardLog(event));
    if (log === mine) logStatus(mine.done ? "closed" : "disconnected", mine.done ? "" : "wait");
  } catch (error) {
    if (log === mine) logStatus("disconnected: " + error.message, "wait");
  }
}

by("log").addEventListener("close", () => {
  if (log) log.stream.abort();
  log = null;
});
by("log-close").addEventListener("click", () => by("log").close());

// The clock, and what nobody tells of: how much is used.

setInterval(() => {
  if (document.hidden) return;
  for (const cell of document.querySelectorAll("td.number")) if (cell.update) cell.update();
}, 1000);
setInterval(() => {
  if (!document.hidden && by("login").hidden) reload();
}, 5000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && by("login").hidden) reload();
});
by("ended").addEventListener("change", reload);

async function start() {
  await reload();
  if (by("login").hidden) followEvents();
}
start();

// The page for researchers: datasets, a program with what the compiler says of it, jobs, and what was released of them.
// Nothing is loaded from elsewhere, and nothing that the service says is taken for markup.
import { Decrypter, generateIdentity, identityToRecipient } from "/page/age.js";

const at = (id) => document.getElementById(id);
const TOKEN = "hq.token";
const IDENTITY = "hq.identity";
let token = sessionStorage.getItem(TOKEN);
const urls = new Map();

function make(tag, text, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  element.textContent = text;
  return element;
}

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = text === "";
}

// What the service says of a request that it does not do.
class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? "The service does not answer as it should.");
    this.code = problem.code;
    this.diagnostics = problem.diagnostics ?? [];
  }
}

async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const init = { method, headers: { ...headers }, signal, cache: "no-store" };
  if (token) init.headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(path, init);
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (problem.code === "unauthenticated" && token) logout("Your login has ended. Log in again.");
  throw new Refusal(problem);
}

const json = async (path, options) => (await ask(path, options)).json();

// --- Who one is: the device flow of the issuer.

async function login() {
  trouble("");
  at("login").disabled = true;
  try {
    const service = await json("/v1/service");
    const issuer = await (await fetch(`${service.issuer}/.well-known/openid-configuration`)).json();
    const form = (values) => ({ method: "POST", body: new URLSearchParams(values) });
    const asked = { client_id: service.client_id, scope: "openid", resource: service.audience, audience: service.audience };
    const begun = await (await fetch(issuer.device_authorization_endpoint, form(asked))).json();
    const link = make("a", begun.verification_uri, { href: begun.verification_uri, target: "_blank", rel: "noopener noreferrer" });
    at("who").replaceChildren("Open ", link, ` and enter ${begun.user_code}`);
    const end = Date.now() + 1000 * begun.expires_in;
    let wait = begun.interval ?? 5;
    while (Date.now() < end) {
      await new Promise((done) => setTimeout(done, 1000 * wait));
      const grant = {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: begun.device_code,
        client_id: service.client_id,
        resource: service.audience,
      };
      const tokens = await (await fetch(issuer.token_endpoint, form(grant))).json();
      if (tokens.access_token) {
        token = tokens.access_token;
        sessionStorage.setItem(TOKEN, token);
        return await begin();
      }
      if (tokens.error === "slow_down") wait += 5;
      else if (tokens.error !== "authorization_pending") throw new Error(tokens.error_description ?? tokens.error);
    }
    throw new Error("The code was not entered in time.");
  } catch (error) {
    logout("");
    trouble(`You are not logged in: ${error.message}`);
  } finally {
    at("login").disabled = false;
  }
}

function logout(reason) {
  token = null;
  sessionStorage.removeItem(TOKEN);
  at("who").textContent = "Not logged in.";
  at("login").hidden = false;
  at("logout").hidden = true;
  at("work").hidden = true;
  trouble(reason);
}

async function begin() {
  const me = await json("/v1/me");
  at("who").textContent = `${me.subject} at ${me.issuer}`;
  at("login").hidden = true;
  at("logout").hidden = false;
  at("work").hidden = false;
  await showKey();
  const { datasets } = await json("/v1/datasets");
  const readable = datasets.filter((dataset) => dataset.version !== null && dataset.erased === null);
  at("dataset").replaceChildren(...readable.map(({ name }) => make("option", name, { value: name })));
  if (readable.length === 0) trouble("No dataset is published for you. Ask its owner for the role of a researcher.");
  else await choose();
  await showJobs();
}

// --- The key that tables are released to.

let identity = null;

async function showKey() {
  identity = localStorage.getItem(IDENTITY);
  if (!identity) {
    identity = await generateIdentity();
    localStorage.setItem(IDENTITY, identity);
  }
  at("recipient").textContent = await identityToRecipient(identity);
  link("keep", `${identity}\n`, "text/plain");
}

async function useKey() {
  const text = (await at("identity").files[0].text()).trim();
  try {
    await identityToRecipient(text);
    localStorage.setItem(IDENTITY, text);
    await showKey();
    trouble("");
  } catch {
    trouble("This file holds no identity of age: choose identity.age.");
  }
}

function link(id, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  if (urls.has(id)) URL.revokeObjectURL(urls.get(id));
  urls.set(id, url);
  at(id)[id === "picture" ? "src" : "href"] = url;
}

// --- The program, and what the compiler says of it.

const dataset = () => at("dataset").value;

async function choose() {
  at("schema").textContent = await (await ask(`/v1/datasets/${dataset()}/schema`)).text();
  if (at("program").value.trim() === "") {
    at("program").value = `use ${dataset()}\nquery first "what it is about"\n  from ${dataset()}\n  report\n    n = count()\n`;
  }
  await check();
}

const program = () => ({ name: "program.hq", text: at("program").value });

let checking = null;

async function check() {
  checking?.abort();
  const mine = new AbortController();
  checking = mine;
  let verdict;
  let diagnostics = [];
  try {
    const found = await json(`/v1/datasets/${dataset()}/check`, { method: "POST", body: program(), signal: mine.signal });
    diagnostics = found.diagnostics;
    verdict = `Sound: ${found.queries.join(", ")}. It would open ${found.numbers} numbers.`;
  } catch (error) {
    if (error.name === "AbortError") return;
    diagnostics = error.diagnostics ?? [];
    verdict = error.message;
  }
  const wrong = diagnostics.some((diagnostic) => diagnostic.severity === "error");
  at("verdict").textContent = verdict;
  at("program").setAttribute("aria-invalid", String(wrong));
  at("send").disabled = wrong;
  at("diagnostics").replaceChildren(...diagnostics.map(message));
}

function message(diagnostic) {
  const place = diagnostic.labels.find((label) => label.file === "program.hq");
  const line = place ? `line ${place.line}: ` : "";
  const text = [diagnostic.message, diagnostic.help, ...diagnostic.notes].filter(Boolean).join(" ");
  const button = make("button", `${diagnostic.code} ${line}${text}`, { type: "button", className: `is-${diagnostic.severity}` });
  if (place) button.addEventListener("click", () => select(place));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

// Places are in bytes, those of a text area in UTF-16.
function select(place) {
  const bytes = new TextEncoder().encode(at("program").value);
  const upTo = (end) => new TextDecoder().decode(bytes.subarray(0, end)).length;
  at("program").focus();
  at("program").setSelectionRange(upTo(place.start), upTo(place.end));
}

async function explain() {
  at("explain").disabled = true;
  try {
    const explained = await json(`/v1/datasets/${dataset()}/explain`, { method: "POST", body: program() });
    at("explained").textContent = explained.text;
    at("explained-box").hidden = false;
    at("explained-box").open = true;
    trouble("");
  } catch (error) {
    trouble(error.message);
  } finally {
    at("explain").disabled = false;
  }
}

async function submit(event) {
  event.preventDefault();
  at("send").disabled = true;
  try {
    const body = { program: program(), purpose: at("purpose").value, recipient: await identityToRecipient(identity) };
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const job = await json(`/v1/datasets/${dataset()}/jobs`, { method: "POST", body, headers });
    trouble("");
    await showJobs();
    await follow(job.id);
  } catch (error) {
    trouble(error.message);
  } finally {
    at("send").disabled = false;
  }
}

// --- Jobs.

async function showJobs() {
  const { jobs } = await json("/v1/jobs?limit=50");
  at("jobs").replaceChildren(...jobs.map(row));
}

function row(job) {
  const row = document.createElement("tr");
  row.id = `job-${job.id}`;
  fill(row, job);
  return row;
}

function fill(row, job) {
  const state = make("td", job.detail ? `${job.state}: ${job.detail}` : job.state);
  if (job.state === "running") {
    const bar = make("progress", "", { max: job.blocks, value: job.done });
    bar.setAttribute("aria-label", `${job.done} of ${job.blocks} blocks`);
    state.append(" ", bar);
  }
  const actions = document.createElement("td");
  const action = (text, act) => {
    const button = make("button", text, { type: "button" });
    button.setAttribute("aria-label", `${text} ${job.queries.join(", ")}, ${job.created}`);
    button.addEventListener("click", () => act().catch((error) => trouble(error.message)));
    actions.append(button);
  };
  if (job.state === "released") action("Show", () => show(job));
  if (["queued", "running", "computed"].includes(job.state)) {
    action("Cancel", async () => fill(row, await json(`/v1/jobs/${job.id}`, { method: "DELETE" })));
  }
  const cells = [job.created.replace("T", " "), job.queries.join(", "), job.dataset, job.purpose];
  row.replaceChildren(...cells.map((text) => make("td", text)), state, actions);
}

// Events until it is computed; then a look now and then, until the custodian was there.
async function follow(id) {
  const rowOf = () => at(`job-${id}`);
  const answer = await ask(`/v1/jobs/${id}/events`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let job = null;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      job = JSON.parse(line.slice(6));
      if (rowOf()) fill(rowOf(), job);
    }
  }
  while (job?.state === "computed" && token) {
    await new Promise((done) => setTimeout(done, 2000));
    job = await json(`/v1/jobs/${id}`);
    if (rowOf()) fill(rowOf(), job);
  }
  if (job?.state === "released") await show(job);
}

async function show(job) {
  const sealed = new Uint8Array(await (await ask(`/v1/jobs/${job.id}/release`)).arrayBuffer());
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  let released;
  try {
    released = JSON.parse(await decrypter.decrypt(sealed, "text"));
  } catch {
    throw new Error("This table was released to another key than yours.");
  }
  if (released.job !== job.id || released.plan !== job.plan) {
    throw new Error("THE SERVICE GAVE THE TABLE OF ANOTHER JOB. Tell whoever runs it.");
  }
  at("table").textContent = released.table;
  at("picture").hidden = !released.svg;
  if (released.svg) {
    link("picture", released.svg, "image/svg+xml");
    at("picture").alt = `${job.queries.join(", ")} as a picture; the table below has its numbers`;
  }
  link("csv", released.csv, "text/csv");
  link("json", released.json, "application/json");
  at("result").hidden = false;
  at("result-title").textContent = `Result: ${job.queries.join(", ")}`;
  at("result-title").focus();
}

const later = (act, pause) => {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, pause);
  };
};

const told = (act) => (event) => Promise.resolve(act(event)).catch((error) => trouble(error.message));
at("login").addEventListener("click", login);
at("logout").addEventListener("click", () => logout(""));
at("dataset").addEventListener("change", told(choose));
at("program").addEventListener("input", later(told(check), 300));
at("explain").addEventListener("click", explain);
at("submit").addEventListener("submit", submit);
at("identity").addEventListener("change", told(useKey));
if (token) begin().catch((error) => trouble(error.message));

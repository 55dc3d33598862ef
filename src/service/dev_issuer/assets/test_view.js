// The Test view: asks the issuer for tokens and calls the API with them. Nothing leaves this machine.
"use strict";

const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text, never markup. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

let token = null;
/** Whether the token is bound to this page's key, and sent with proofs. */
let isBound = false;
/** Shows that the token has expired. */
let expiry;

start();

async function start() {
  const { users, api, token_endpoint: endpoint } = await (await fetch("/test_view.json")).json();
  showUsers(users);
  showRoutes(api);
  byId("request").addEventListener("submit", (event) => {
    event.preventDefault();
    getToken(users, endpoint);
  });
  byId("copy-token").addEventListener("click", (event) => copy(token, event.target));
  byId("forget-token").addEventListener("click", () => {
    showToken(null, "No token. Calls are sent without one.");
    byId("request").querySelector("input:checked").focus();
  });
  byId("sending").addEventListener("change", showCurlLines);
}

function showUsers(users) {
  users.forEach(({ name, role }, index) => {
    const input = element("input", { type: "radio", name: "person", value: index, checked: index === 0 });
    input.addEventListener("change", () => showScopes(users));
    byId("users").append(choice(input, name, role));
  });
  showScopes(users);
}

/** Shows the scopes of all users; those of the chosen user can be selected. */
function showScopes(users) {
  const mine = chosen(users).scopes;
  const all = [...new Set(users.flatMap((user) => user.scopes))];
  const choices = all.map((scope) => {
    const has = mine.includes(scope);
    const input = element("input", { type: "checkbox", name: "scope", value: scope, checked: has, disabled: !has });
    return choice(input, scope, has ? "" : "not granted to this user");
  });
  byId("scopes").replaceChildren(byId("scopes").querySelector("legend"), ...choices);
  byId("scopes").hidden = choices.length === 0;
}

function choice(input, name, remark) {
  return element("label", { className: "choice" }, input, element("span", {}, name), element("span", { className: "quiet" }, remark));
}

function chosen(users) {
  return users[new FormData(byId("request")).get("person")];
}

async function getToken(users, endpoint) {
  const scopes = new FormData(byId("request")).getAll("scope");
  const parameters = {
    grant_type: "client_credentials",
    client_id: scopes.length === 0 ? "demo" : "demo-read-write",
    client_secret: "any",
    sub: chosen(users).subject,
    scope: scopes.join(" "),
    expires_in: byId("lifetime").value,
    dev_fault: byId("fault").value,
  };
  try {
    const options = { method: "POST", body: new URLSearchParams(parameters) };
    const path = "/oauth/token";
    const response = await (byId("bind").checked ? fetchWithProof(path, endpoint, options) : fetch(path, options));
    const answer = await response.json();
    isBound = answer.token_type === "DPoP";
    showToken(answer.access_token ?? null, answer.error_description ?? "");
    reveal(byId("token-heading"));
  } catch {
    showToken(null, "The development issuer does not respond. Is the service running?");
  }
}

/** Scrolls to an element unless it is in the upper half of the window. */
function reveal(target) {
  const { top } = target.getBoundingClientRect();
  if (top >= 0 && top < innerHeight / 2) return;
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  target.scrollIntoView({ behavior, block: "start" });
}

function showToken(text, remark) {
  token = text;
  showSendings();
  byId("token-shown").hidden = token === null;
  byId("token-state").textContent = remark;
  showCurlLines();
  if (token === null) return;
  const parts = token.split(".");
  const spans = ["head", "claims", "signature"].map((className, index) => element("span", { className }, parts[index]));
  byId("token").replaceChildren(spans[0], ".", spans[1], ".", spans[2]);
  const claims = decode(parts[1]);
  const { alg, kid, typ } = decode(parts[0]);
  byId("claims").replaceChildren(...Object.entries(claims).map(claimRow));
  const use = isBound ? "bound to this page's key and useless without it" : "a bearer token";
  byId("token-state").textContent = `A token was issued: signed with ${alg}, key ID ${kid.slice(0, 8)}…, type ${typ}; ${use}.`;
  showExpiry(claims.exp * 1000);
}

/** Shows until when the token is valid, and at that time that it has expired. */
function showExpiry(end) {
  clearTimeout(expiry);
  const left = end - Date.now();
  const time = new Date(end).toLocaleString();
  byId("token-expiry").className = left > 0 ? "status good" : "status bad";
  byId("token-expiry").textContent = left > 0 ? `Valid until ${time}` : `Expired at ${time}`;
  // Longer delays than 24.8 days would end at once.
  if (left > 0) expiry = setTimeout(showExpiry, Math.min(left, 2 ** 31 - 1), end);
}

/** Only a bound token can be sent without its proof. */
function showSendings() {
  const option = byId("stolen");
  const isOffered = token !== null && isBound;
  option.hidden = option.disabled = !isOffered;
  if (!isOffered && byId("sending").value === "stolen") byId("sending").value = "token";
}

function decode(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function claimRow([name, value]) {
  const meaning = name === "iat" || name === "exp" ? new Date(value * 1000).toLocaleString() : MEANINGS[name];
  const shown = typeof value === "object" ? JSON.stringify(value) : String(value);
  const cell = element("td", {}, `${shown} `, element("span", { className: "quiet" }, meaning ?? ""));
  return element("tr", {}, element("th", { scope: "row" }, name), cell);
}

const MEANINGS = {
  aud: "the API that accepts it",
  azp: "the client that it was issued to",
  client_id: "the client that it was issued to",
  cnf: "the key that it is bound to",
  gty: "the grant type",
  iss: "the issuer",
  jti: "its ID",
  scope: "the scopes that it grants",
  sub: "the user",
};

function showRoutes(api) {
  byId("api-origin").textContent = api ? `At ${api.origin}` : "No API runs beside this issuer.";
  byId("sending").closest("label").hidden = !api;
  byId("routes").replaceChildren(...(api?.routes ?? []).map((route) => routeItem(api.origin, route)));
  showCurlLines();
}

function routeItem(origin, { method, path, requirement }) {
  const name = `${method} ${path}`;
  const inputs = fields(method, path);
  const route = { name, method, requirement, request: () => requestOf(origin, path, inputs) };
  const call = element("button", { type: "button", className: "call" }, name);
  const curl = element("code", { className: "curl" });
  curl.show = () => { curl.textContent = curlLine(route, { token: shortened(tokenToSend()) }); };
  const copyCurl = element("button", { type: "button" }, "Copy curl");
  call.id = name.replaceAll(/\W+/g, "-");
  copyCurl.setAttribute("aria-describedby", call.id);
  const answer = element("div", { className: "answer", role: "status" });
  call.addEventListener("click", async () => {
    answer.replaceChildren(...(await ask(route)));
    answer.scrollIntoView({ block: "nearest" });
  });
  copyCurl.addEventListener("click", async () => {
    const sent = tokenToSend();
    const proof = sent && isProven() ? await proofFor(method, route.request().url, sent) : null;
    copy(curlLine(route, { token: sent, proof }), copyCurl);
  });
  for (const { input } of inputs) input.addEventListener("input", curl.show);
  return element(
    "li",
    { className: "route" },
    element("div", { className: "row" }, call, element("span", { className: "quiet" }, `for ${requirement}`)),
    ...inputs.map(({ label, input }) => element("label", { className: "field" }, label, input)),
    element("div", { className: "row" }, curl, copyCurl),
    answer,
  );
}

/** An input for each parameter of the path, and one for the body where the method has one. */
function fields(method, path) {
  const inputs = parameters(path).map(({ name, text }) => ({ text, label: name, input: element("input", { value: "1" }) }));
  if (["PATCH", "POST", "PUT"].includes(method)) {
    inputs.push({ label: "Body", input: element("textarea", { rows: 3, value: "{}", spellcheck: false }) });
  }
  return inputs;
}

/** The parameters of a path: `{id}` and `{id:\d{4}}`, which contains braces itself. */
function parameters(path) {
  const found = [];
  let depth = 0;
  let start = 0;
  [...path].forEach((char, index) => {
    if (char === "{" && depth++ === 0) start = index;
    if (char === "}" && --depth === 0) {
      const text = path.slice(start, index + 1);
      found.push({ text, name: text.slice(1, -1).split(":")[0] });
    }
  });
  return found;
}

/** The URL with its parameters filled in, and the body with its type. */
function requestOf(origin, path, inputs) {
  let url = origin + path;
  let body;
  for (const { text, input } of inputs) {
    if (text) url = url.replace(text, () => encodeURIComponent(input.value).replaceAll("%2F", "/"));
    else body = input.value;
  }
  const isJson = body !== undefined && pretty(body) !== null;
  return { url, body, type: isJson ? "application/json" : "text/plain" };
}

function showCurlLines() {
  for (const line of document.querySelectorAll(".curl")) line.show();
}

const shortened = (text) => text && `${text.slice(0, 12)}…`;
const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** A proof is valid for one call, so it is made only when the line is copied. */
function curlLine({ method, request }, { token: sent, proof = "…" }) {
  const { url, body, type } = request();
  const verb = method === "GET" ? "" : ` -X ${method}`;
  const credentials = sent ? ` -H ${quoted(`Authorization: ${scheme()} ${sent}`)}` : "";
  const proven = sent && isProven() ? ` -H ${quoted(`DPoP: ${proof}`)}` : "";
  const data = body === undefined ? "" : ` -H ${quoted(`Content-Type: ${type}`)} -d ${quoted(body)}`;
  return `curl -i${verb}${credentials}${proven}${data} ${quoted(url)}`;
}

/** Whether the token is sent with a proof. */
const isProven = () => isBound && byId("sending").value !== "stolen";
const scheme = () => (isProven() ? "DPoP" : "Bearer");

function tokenToSend() {
  const sending = byId("sending").value;
  if (token === null || sending === "nothing") return null;
  return sending === "spoiled" ? spoiled(token) : token;
}

/** Another first character of the signature is another signature. */
function spoiled(text) {
  const at = text.lastIndexOf(".") + 1;
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

/** Calls the API and shows what it answers, and why where it rejects the token. */
async function ask({ name, method, requirement, request }) {
  const { url, body, type } = request();
  const sent = tokenToSend();
  const isWithProof = sent && isProven();
  const headers = sent ? { Authorization: `${scheme()} ${sent}` } : {};
  if (body !== undefined) headers["Content-Type"] = type;
  const options = { method, headers, body, cache: "no-store" };
  try {
    const response = await (isWithProof ? fetchWithProof(url, url, options, sent) : fetch(url, options));
    const challenge = response.headers.get("WWW-Authenticate");
    const shown = [verdict(response, challenge ?? "", sent, requirement)];
    if (sent && challenge) shown.push(...(await explained({ route: name, url, token: sent }, response.status, isWithProof && method)));
    if (challenge) shown.push(labelled("WWW-Authenticate", challenge));
    const text = await response.text();
    if (text) shown.push(labelled("Body", pretty(text) ?? text));
    return shown;
  } catch {
    return [element("p", {}, element("span", { className: "status bad" }, "No response"), " Is the service running?")];
  }
}

/** Why the API answers a request with a status, as the command `explain` finds it; with another proof if it had one. */
async function explained(request, status, method) {
  const { url, token: sent } = request;
  // The issuer takes the URL of a proof for one without TLS.
  if (method && url.startsWith("https:")) return [];
  const proof = method ? await proofFor(method, url, sent) : "";
  const body = JSON.stringify({ ...request, proof });
  const response = await fetch("/explain", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const { answer, why, remedy } = response.ok ? await response.json() : {};
  if (answer?.status !== status) return [];
  return [element("dl", { className: "explained" }, element("dt", {}, "Why"), element("dd", {}, why), element("dt", {}, "Remedy"), element("dd", {}, remedy))];
}

function verdict({ ok, status, statusText }, challenge, sent, requirement) {
  const shown = element("span", { className: ok ? "status good" : "status bad" }, `${status} ${statusText}`);
  return element("p", {}, shown, ` ${reason(status, challenge, sent, requirement)}`);
}

function reason(status, challenge, sent, requirement) {
  const parameter = (name) => challenge.match(new RegExp(`${name}="([^"]*)"`))?.[1];
  if (status === 401 && !sent) return "No token was sent. Get one above and call again.";
  if (status === 401) return parameter("error_description") ?? "The token was rejected.";
  if (status === 403) return `The token is good, but does not grant ${parameter("scope") ?? "what this route requires"}. Select it above, get a new token and call again.`;
  if (status === 503) return "The API could not fetch the issuer's keys; try again in a moment.";
  if (status >= 400) return "The handler's response.";
  return requirement === "everyone" ? "A public route: no token is checked." : "The token was accepted.";
}

function labelled(label, text) {
  return element("div", {}, element("span", { className: "label" }, label), element("pre", {}, text));
}

/** JSON with indentation; null for another text. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

async function copy(text, button) {
  const before = button.dataset.text ?? button.textContent;
  button.dataset.text = before;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

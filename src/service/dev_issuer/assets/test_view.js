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
  };
  try {
    const options = { method: "POST", body: new URLSearchParams(parameters) };
    const path = "/oauth/token";
    const response = await (byId("bind").checked ? fetchWithProof(path, endpoint, options) : fetch(path, options));
    const answer = await response.json();
    isBound = answer.token_type === "DPoP";
    showToken(answer.access_token ?? null, answer.error_description ?? "");
  } catch {
    showToken(null, "The development issuer does not respond. Is the service running?");
  }
}

function showToken(text, remark) {
  token = text;
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
  byId("token-state").textContent = `Signed with ${alg} by key ${kid.slice(0, 8)}… as ${typ}; ${use}. Its claims:`;
}

function decode(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function claimRow([name, value]) {
  const meaning = name === "iat" || name === "exp" ? new Date(value * 1000).toLocaleString() : MEANINGS[name];
  const shown = typeof value === "object" ? JSON.stringify(value) : String(value);
  const cell = element("td", {}, shown, element("span", { className: "quiet" }, meaning ?? ""));
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
  const url = origin + path;
  const call = element("button", { type: "button", className: "primary call" }, `${method} ${path}`);
  const curl = element("code", { className: "curl" });
  curl.dataset.method = method;
  curl.dataset.url = url;
  const copyCurl = element("button", { type: "button" }, "Copy curl");
  call.id = `${method} ${path}`.replaceAll(/\W+/g, "-");
  copyCurl.setAttribute("aria-describedby", call.id);
  const answer = element("div", { className: "answer", role: "status" });
  call.addEventListener("click", async () => answer.replaceChildren(...(await ask(method, url, requirement))));
  copyCurl.addEventListener("click", async () => {
    const sent = tokenToSend();
    const proof = sent && isProven() ? await proofFor(method, url, sent) : null;
    copy(curlLine(method, url, proof), copyCurl);
  });
  return element(
    "li",
    { className: "route" },
    element("div", { className: "row" }, call, element("span", { className: "quiet" }, `for ${requirement}`)),
    element("div", { className: "row" }, curl, copyCurl),
    answer,
  );
}

function showCurlLines() {
  for (const line of document.querySelectorAll(".curl")) {
    line.textContent = curlLine(line.dataset.method, line.dataset.url);
  }
}

/** A proof is valid for one call, so it is made only when the line is copied. */
function curlLine(method, url, proof = "…") {
  const sent = tokenToSend();
  const verb = method === "GET" ? "" : ` -X ${method}`;
  const credentials = sent ? ` -H 'Authorization: ${scheme()} ${sent}'` : "";
  const proven = sent && isProven() ? ` -H 'DPoP: ${proof}'` : "";
  return `curl -i${verb}${credentials}${proven} '${url}'`;
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

/** Calls the API and shows what it answers. */
async function ask(method, url, requirement) {
  const sent = tokenToSend();
  const headers = sent ? { Authorization: `${scheme()} ${sent}` } : {};
  const options = { method, headers, cache: "no-store" };
  try {
    const response = await (sent && isProven() ? fetchWithProof(url, url, options, sent) : fetch(url, options));
    const challenge = response.headers.get("WWW-Authenticate");
    const shown = [verdict(response, challenge ?? "", sent, requirement)];
    if (challenge) shown.push(labelled("WWW-Authenticate", challenge));
    shown.push(labelled("Body", pretty(await response.text())));
    return shown;
  } catch {
    return [element("p", {}, element("span", { className: "status bad" }, "No response"), " Is the service running?")];
  }
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
  return requirement === "everyone" ? "A public route: no token is checked." : "The token was accepted.";
}

function labelled(label, text) {
  return element("div", {}, element("span", { className: "label" }, label), element("pre", {}, text));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
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

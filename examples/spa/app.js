import { Auth0Client } from "./auth0-spa-js.js";
import { api, audience, clientId, domain, useDpop } from "./config.js";

const byId = (id) => document.getElementById(id);

// What is asked for at sign-in; more is added once the API says that it is needed.
const scope = sessionStorage.getItem("scope") ?? "openid profile email";

const auth0 = new Auth0Client({
  domain,
  clientId,
  useDpop,
  authorizationParams: { audience, scope, redirect_uri: location.origin },
});

// Calls the API with the token, and where that is bound to a key, with a proof that the key is here.
const fetcher = auth0.createFetcher({ baseUrl: api, dpopNonceId: useDpop ? "api" : undefined });

byId("sign-in").onclick = () => auth0.loginWithRedirect().catch(show);
byId("sign-out").onclick = () => {
  sessionStorage.removeItem("scope");
  auth0.logout({ logoutParams: { returnTo: location.origin } }).catch(show);
};
for (const button of document.querySelectorAll("[data-path]")) {
  button.onclick = () => call(button.dataset.path, button.nextElementSibling).catch(show);
}
begin().catch(show);

/** Takes the issuer's answer out of the address bar, or asks for one silently, and shows who is signed in. */
async function begin() {
  try {
    if (/[?&](code|error)=/.test(location.search)) {
      await auth0.handleRedirectCallback();
    } else {
      await auth0.checkSession();
    }
  } finally {
    history.replaceState({}, "", location.pathname);
    const user = await auth0.getUser();
    byId("sign-in").hidden = Boolean(user);
    byId("sign-out").hidden = !user;
    if (user) byId("profile").textContent = `${user.name} · ${user.email}`;
  }
}

/** Calls a route, with a token if a user is signed in, and shows the answer. */
async function call(path, output) {
  const response = (await auth0.isAuthenticated()) ? await fetcher.fetchWithAuth(path) : await fetch(api + path);
  const body = await response.json();
  output.className = response.ok ? "good" : "bad";
  output.textContent = `${response.status} · ${body.message ?? body.detail}`;
  const challenge = response.headers.get("WWW-Authenticate");
  if (challenge) explain(challenge, output);
}

/** The challenge names what is missing (RFC 6750 §3); a scope can be asked for. */
function explain(challenge, output) {
  const code = document.createElement("code");
  code.textContent = challenge;
  output.append(code);
  const missing = challenge.match(/scope="([^"]*)"/)?.[1];
  if (!missing || !challenge.includes('error="insufficient_scope"')) return;
  const ask = document.createElement("button");
  ask.textContent = `Ask for ${missing}`;
  ask.onclick = () => {
    sessionStorage.setItem("scope", `${scope} ${missing}`);
    auth0.loginWithRedirect({ authorizationParams: { scope: `${scope} ${missing}` } }).catch(show);
  };
  output.append(ask);
}

function show(error) {
  byId("trouble").textContent = error.message;
}

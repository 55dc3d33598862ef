// An independent OpenID provider that logs clients out by the back channel; every visitor signs in as a user of their own.
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

export const AUDIENCE = "https://quickstarts/api";
const REDIRECT = "https://client.example/callback";

/** Starts a server on a free port of loopback; resolves to its origin and the server. */
export async function listen(server) {
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://localhost:${server.address().port}`;
}

/**
 * Resolves to the provider's issuer, a function that makes it send logout tokens to `url`, and one that stops it. The
 * client `sessions` asks for `sid` in logout tokens, and `users` does not. `errors` has what the provider could not deliver.
 */
export async function startProvider() {
  const server = createServer();
  const issuer = await listen(server);
  const errors = [];
  let answer;
  const deliverTo = (url) => {
    const provider = new Provider(issuer, configuration(url));
    provider.on("backchannel.error", (_, error) => errors.push(error));
    answer = provider.callback();
    server.provider = provider;
  };
  deliverTo("http://localhost:1/");
  server.on("request", (request, response) => {
    if (request.url.startsWith("/interaction/")) {
      const login = { accountId: request.headers["x-user"] };
      return server.provider.interactionFinished(request, response, { login });
    }
    answer(request, response);
  });
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { issuer, deliverTo, errors, stop };
}

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const cookieKey = randomBytes(32).toString("hex");

function configuration(logoutUri) {
  const client = (id, withSession) => ({
    backchannel_logout_session_required: withSession,
    backchannel_logout_uri: logoutUri,
    client_id: id,
    grant_types: ["authorization_code"],
    redirect_uris: [REDIRECT],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  });
  return {
    clients: [client("sessions", true), client("users", false)],
    cookies: { keys: [cookieKey] },
    // Access tokens name their session, as those of Keycloak do.
    extraTokenClaims: ({ oidc }) => ({ sid: oidc.entities.AuthorizationCode?.sid }),
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => ({ scope: "read:messages", accessTokenFormat: "jwt" }),
        useGrantedResource: () => true,
      },
      rpInitiatedLogout: { enabled: true },
    },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "1", use: "sig" }] },
    loadExistingGrant: grantAll,
  };
}

/** Consent is granted without a prompt. */
async function grantAll({ oidc }) {
  const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope("openid");
  grant.addResourceScope(AUDIENCE, "read:messages");
  await grant.save();
  return grant;
}

/** A browser without pages: it keeps cookies and follows redirections to the provider. */
export class Visitor {
  #cookies = new Map();
  #issuer;
  #user;

  constructor(issuer, user) {
    this.#issuer = issuer;
    this.#user = user;
  }

  async #send(url, options = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, "x-user": this.#user };
    const response = await fetch(url, { ...options, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      this.#cookies.set(name, value);
    }
    return response;
  }

  /** Signs in to a client; resolves to the tokens. */
  async signIn(client) {
    const verifier = randomBytes(32).toString("base64url");
    const query = new URLSearchParams({
      client_id: client,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      redirect_uri: REDIRECT,
      response_type: "code",
      scope: "openid read:messages",
    });
    let url = `${this.#issuer}/auth?${query}`;
    while (!url.startsWith(REDIRECT)) {
      const response = await this.#send(url);
      const location = response.headers.get("location");
      if (!location) throw new Error(`${response.status}: ${await response.text()}`);
      url = new URL(location, url).href;
    }
    const code = new URL(url).searchParams.get("code");
    const body = new URLSearchParams({
      client_id: client,
      code,
      code_verifier: verifier,
      grant_type: "authorization_code",
      redirect_uri: REDIRECT,
    });
    const response = await fetch(`${this.#issuer}/token`, { method: "POST", body });
    return response.json();
  }

  /** Logs out at the provider, which tells the clients before it answers. */
  async logOut(idToken) {
    const query = new URLSearchParams({ id_token_hint: idToken });
    const page = await this.#send(`${this.#issuer}/session/end?${query}`);
    const [, xsrf] = (await page.text()).match(/name="xsrf" value="([^"]+)"/);
    const body = new URLSearchParams({ xsrf, logout: "yes" });
    return this.#send(`${this.#issuer}/session/end/confirm`, { method: "POST", body });
  }
}

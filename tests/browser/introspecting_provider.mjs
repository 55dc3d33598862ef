// An independent provider of opaque tokens, which introspects and revokes them (RFC 7662, RFC 7009, RFC 9701).
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import Provider from "oidc-provider";

/** The API, for which tokens are opaque. */
export const OPAQUE = "https://quickstarts/api";
/** The API, for which tokens are JWTs. */
export const JWT = "https://quickstarts/jwt";
export const SECRET = "a secret: with, signs & spaces + 100 %";
const SCOPES = "read:messages write:messages";

/** Starts the provider; `stop` and `start` again leave the tokens as they are. */
export async function startProvider({ signsResponses = true } = {}) {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  const issuer = `http://localhost:${port}/`;
  const clientKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const provider = new Provider(issuer, configuration(clientKey.publicKey, signsResponses));
  server.on("request", provider.callback());
  return {
    clientKey: clientKey.privateKey.export({ format: "pem", type: "pkcs8" }),
    issuer,
    introspect: (token, headers) => post("token/introspection", { token }, headers),
    issue,
    issueRefreshToken: () => issueRefreshToken(provider),
    refresh: (token) => issue(undefined, OPAQUE, { grant_type: "refresh_token", refresh_token: token }),
    revoke: (token) => post("token/revocation", { token }),
    start: async () => {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
    stop: async () => {
      const closed = once(server.close(), "close");
      server.closeAllConnections();
      await closed;
    },
  };

  async function issue(scope = "read:messages", resource = OPAQUE, form = {}, headers = {}) {
    const response = await post("token", { grant_type: "client_credentials", resource, scope, ...form }, headers);
    const body = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(body));
    return body.access_token;
  }

  /** A request of the client to which tokens are issued. */
  function post(path, form, headers = {}) {
    const credentials = ["basic", SECRET].map(encodeURIComponent).join(":");
    const Authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
    return fetch(issuer + path, { method: "POST", headers: { Authorization, ...headers }, body: new URLSearchParams(form) });
  }
}

function configuration(clientKey, signsResponses) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const client = (client_id, metadata) => ({
    client_id,
    client_secret: SECRET,
    grant_types: ["client_credentials", "refresh_token", "authorization_code"],
    redirect_uris: ["https://client.example/"],
    ...metadata,
  });
  return {
    clients: [
      client("basic", { token_endpoint_auth_method: "client_secret_basic" }),
      client("post", { token_endpoint_auth_method: "client_secret_post" }),
      client("key", {
        client_secret: undefined,
        jwks: { keys: [{ ...clientKey.export({ format: "jwk" }), kid: "client-key", use: "sig" }] },
        token_endpoint_auth_method: "private_key_jwt",
      }),
      ...signsResponses ? [client("pss", { introspection_signed_response_alg: "PS256" })] : [],
    ],
    cookies: { keys: [randomBytes(32).toString("hex")] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      jwtIntrospection: { enabled: signsResponses },
      resourceIndicators: {
        defaultResource: () => OPAQUE,
        getResourceServerInfo: (_, resource) => ({ accessTokenFormat: resource === JWT ? "jwt" : "opaque", scope: SCOPES }),
        useGrantedResource: () => true,
      },
      revocation: { enabled: true },
    },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "1", use: "sig" }] },
    scopes: ["openid", "offline_access", ...SCOPES.split(" ")],
  };
}

/** As after the sign-in of an account. */
async function issueRefreshToken(provider) {
  const account = { accountId: "somebody", client: await provider.Client.find("basic") };
  const grant = new provider.Grant({ accountId: account.accountId, clientId: "basic" });
  grant.addResourceScope(OPAQUE, SCOPES);
  const grantId = await grant.save();
  const grants = { grantId, gty: "authorization_code", resource: OPAQUE, scope: SCOPES };
  return new provider.RefreshToken({ ...account, ...grants }).save();
}

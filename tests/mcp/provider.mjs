// An independent OpenID provider at which clients register themselves; every visitor is signed in as the same user.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const AUDIENCE = "https://notes.example/";
const SCOPES = "notes:read notes:write";

/** Resolves to the provider's issuer, the audience of its access tokens, and a function that stops it. */
export async function startProvider() {
  const server = createServer();
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (request.url.startsWith("/interaction/")) {
      // Native clients are always asked for consent.
      return provider.interactionFinished(request, response, { login: { accountId: "somebody" }, consent: {} });
    }
    answer(request, response);
  });
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => {
      server.close(resolve);
    });
  };
  return { issuer, audience: AUDIENCE, stop };
}

function configuration() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    clientBasedCORS: () => true,
    cookies: { keys: [randomBytes(32).toString("hex")] },
    extraClientMetadata: {
      // The validator is called for a property.
      properties: ["any"],
      // Clients register with the scopes of their first request, to which the provider would hold them.
      validator: (_context, _name, _value, metadata) => {
        delete metadata.scope;
      },
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        // The client names the MCP server by its URL; the API accepts one audience, however it is reached.
        getResourceServerInfo: () => ({ audience: AUDIENCE, scope: SCOPES, accessTokenFormat: "jwt" }),
        useGrantedResource: () => true,
      },
    },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "1", use: "sig" }] },
    loadExistingGrant: grantAll,
    scopes: ["openid", "offline_access", ...SCOPES.split(" ")],
  };
}

/** Consent is granted without a prompt. */
async function grantAll({ oidc }) {
  const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope(`openid offline_access ${SCOPES}`);
  for (const resource of [oidc.params.resource].flat().filter(Boolean)) {
    grant.addResourceScope(resource, SCOPES);
  }
  await grant.save();
  return grant;
}

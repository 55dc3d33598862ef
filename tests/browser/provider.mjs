// An independent OpenID provider, with DPoP; every visitor is signed in as the same user.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

export const AUDIENCE = "https://quickstarts/api";
const CLIENT = "any-client";
const PATHS = { authorization: "/authorize", end_session: "/v2/logout", token: "/oauth/token" };

/** Starts the provider for a client whose pages are of `origin`; resolves to its issuer and its server. */
export async function startProvider(origin) {
  const server = createServer();
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const issuer = `http://localhost:${server.address().port}/`;
  const provider = new Provider(issuer, configuration(origin));
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (request.url.startsWith("/interaction/")) {
      return provider.interactionFinished(request, response, { login: { accountId: "somebody" } });
    }
    answer(request, response);
  });
  return { issuer, server };
}

function configuration(origin) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    clients: [{
      client_id: CLIENT,
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: [`${origin}/`],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    }],
    clientBasedCORS: () => true,
    cookies: { keys: [randomBytes(32).toString("hex")] },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
      resourceIndicators: {
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => ({ scope: "read:messages", accessTokenFormat: "jwt" }),
        useGrantedResource: () => true,
      },
      // How the SDK renews tokens in an iframe.
      webMessageResponseMode: { enabled: true, ack: "individual-draft-01" },
    },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "1", use: "sig" }] },
    loadExistingGrant: grantAll,
    routes: PATHS,
  };
}

/** Consent is granted without a prompt. */
async function grantAll({ oidc }) {
  const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope("openid profile email offline_access");
  grant.addResourceScope(AUDIENCE, "read:messages");
  await grant.save();
  return grant;
}

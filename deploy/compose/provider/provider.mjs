// An OpenID provider for the compose file: any name is accepted at sign-in. Not for production.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import Provider from "oidc-provider";

const { AUDIENCE, CLIENT_ID, HOST, ISSUER, PORT, SPA_ORIGIN } = process.env;
const SCOPES = "read:messages";

/** The paths of Auth0, which the SDK of the page calls. */
const routes = { authorization: "/authorize", end_session: "/v2/logout", token: "/oauth/token" };
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(ISSUER, {
  claims: { email: ["email"], profile: ["name"] },
  clients: [{
    client_id: CLIENT_ID,
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [SPA_ORIGIN, `${SPA_ORIGIN}/`],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  }],
  clientBasedCORS: () => true,
  // The SDK reads the user from the ID token.
  conformIdTokenClaims: false,
  cookies: { keys: [randomBytes(32).toString("hex")] },
  features: {
    dPoP: { enabled: true },
    resourceIndicators: {
      defaultResource: () => AUDIENCE,
      enabled: true,
      getResourceServerInfo: () => ({ accessTokenFormat: "jwt", audience: AUDIENCE, scope: SCOPES }),
      useGrantedResource: () => true,
    },
    // How the SDK renews tokens in an iframe.
    webMessageResponseMode: { enabled: true, ack: "individual-draft-01" },
  },
  findAccount: (_, accountId) => ({
    accountId,
    claims: () => ({ email: `${accountId}@example.com`, name: accountId, sub: accountId }),
  }),
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "1", use: "sig" }] },
  loadExistingGrant: grantAll,
  routes,
});

provider.listen(Number(PORT), HOST, () => console.log(`tokens of ${ISSUER} are issued on port ${PORT}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));

/** Consent is granted without a prompt. */
async function grantAll({ oidc }) {
  const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope("openid profile email offline_access");
  grant.addResourceScope(AUDIENCE, SCOPES);
  await grant.save();
  return grant;
}

// An issuer of access tokens and security events, whose tokens the library jose signs.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

import { AUDIENCE, listen } from "./provider.mjs";

export const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/** Starts an issuer, which counts the requests for its keys. */
export async function startIssuer() {
  const [own, foreign] = await Promise.all([generateKeyPair("ES256"), generateKeyPair("ES256")]);
  const keys = [{ ...(await exportJWK(own.publicKey)), kid: "1", alg: "ES256", use: "sig" }];
  const issuer = { fetches: 0, foreignKey: foreign.privateKey };
  const server = createServer((request, response) => {
    const isKeys = request.url === "/keys";
    issuer.fetches += isKeys ? 1 : 0;
    const document = isKeys ? { keys } : { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(document));
  });
  issuer.url = await listen(server);
  issuer.stop = () => server.close();
  const sign = (claims, header, key = own.privateKey) =>
    new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "1", ...header }).sign(key);
  const now = () => Math.floor(Date.now() / 1000);
  issuer.accessToken = (sub, claims) => {
    const exp = now() + 600;
    return sign({ iss: issuer.url, aud: AUDIENCE, sub, iat: now(), exp, jti: randomUUID(), ...claims }, { typ: "at+jwt" });
  };
  issuer.event = (sub, { claims, header, key } = {}) => {
    const subject = { format: "iss_sub", iss: issuer.url, sub };
    const events = { [SESSION_REVOKED]: { event_timestamp: now() } };
    const all = { iss: issuer.url, aud: "client", iat: now(), jti: randomUUID(), sub_id: subject, events, ...claims };
    return sign(all, { typ: "secevent+jwt", ...header }, key);
  };
  return issuer;
}

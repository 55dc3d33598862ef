// The example examples/streams.rs on free ports, and tokens and tickets for it.
import { startService } from "../browser/service.mjs";

/** Resolves to the program, with the URLs of its streams and functions that request tokens and tickets. */
export async function startProgram(variables = {}) {
  const service = await startService(variables, process.env.STREAMS_PROGRAM);
  const token = async (seconds = 60, scope = "chat read:news") => {
    const response = await fetch(`${service.issuer}/oauth/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        grant_type: "client_credentials",
        client_id: "demo-read-write",
        client_secret: "any",
        scope,
        sub: "streaming",
        expires_in: seconds,
      }),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(body));
    return body.access_token;
  };
  const ticket = async (path, accessToken) => {
    const response = await fetch(`${service.api}${path}/ticket`, {
      method: "POST",
      headers: { Authorization: `Bearer ${accessToken ?? (await token())}` },
    });
    return (await response.json()).ticket;
  };
  return { ...service, chat: `${service.api.replace("http", "ws")}/api/chat`, news: `${service.api}/api/news`, token, ticket };
}

/** How many milliseconds after the end of the token's validity something happened. */
export function late(accessToken) {
  const { exp } = JSON.parse(Buffer.from(accessToken.split(".")[1], "base64url"));
  return Date.now() - exp * 1000;
}

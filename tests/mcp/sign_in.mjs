// A user at the authorization endpoint, without a browser.

/** Follows the sign-in of the development issuer, or of a provider that shows no page, to the client's redirect URI. */
export async function signIn(authorizationUrl, redirectUri, person = "administrator") {
  const cookies = new Map();
  let response = await send(authorizationUrl, cookies);
  for (let steps = 0; steps < 10; steps += 1) {
    const location = response.headers.get("location");
    const next = location ? new URL(location, response.url) : undefined;
    if (next?.href.startsWith(redirectUri)) return granted(next.searchParams);
    response = next ? await send(next, cookies) : await choose(response, cookies, person);
  }
  throw new Error("the sign-in did not lead back to the client");
}

function granted(response) {
  if (!response.has("code")) throw new Error(`the provider responded with ${response}`);
  return response;
}

/** Sends the form of the sign-in page. */
async function choose(page, cookies, person) {
  const html = await page.text();
  const action = html.match(/action="([^"]+)"/)?.[1].replaceAll("&amp;", "&");
  const form = html.match(/name="form" value="([^"]+)"/)?.[1];
  if (!action) throw new Error(`no sign-in page, but ${page.status}: ${html}`);
  const body = new URLSearchParams({ form, person });
  return send(new URL(action, page.url), cookies, { method: "POST", body });
}

async function send(url, cookies, init = {}) {
  const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
  const response = await fetch(url, { ...init, headers: { cookie }, redirect: "manual" });
  for (const set of response.headers.getSetCookie()) {
    const [, name, value] = set.match(/^([^=]+)=([^;]*)/);
    cookies.set(name, value);
  }
  return response;
}

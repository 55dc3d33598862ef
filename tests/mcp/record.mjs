// What a client sends, by which a test sees how it got its tokens.

/** A `fetch` that keeps a line for each request. */
export function recording(lines) {
  return async (input, init) => {
    const request = new Request(input, init);
    const sent = await request.clone().text();
    const response = await fetch(request);
    lines.push(line(request, sent, response.status));
    return response;
  };
}

/** Method, path and status; the protocol version; the parameters of OAuth, or the JSON-RPC method. */
function line(request, sent, status) {
  const url = new URL(request.url);
  const version = request.headers.get("mcp-protocol-version");
  const parts = [request.method, url.pathname, status, version && `version=${version}`, ...parameters(request, sent)];
  return parts.filter(Boolean).join(" ");
}

function parameters(request, sent) {
  if (request.headers.get("content-type")?.includes("json")) {
    const { method, params, scope } = JSON.parse(sent);
    return [method, params?.name, scope && `scope=${scope}`];
  }
  return named(new URLSearchParams(sent));
}

/** The parameters that say what a token is for. */
export function named(query) {
  return ["grant_type", "resource", "scope"].flatMap((name) => (query.has(name) ? [`${name}=${query.get(name)}`] : []));
}

// The part of an MCP client that its application writes: it keeps tokens, and signs its user in when it is asked to.
import { named } from "./record.mjs";
import { signIn } from "./sign_in.mjs";

const REDIRECT_URI = "http://127.0.0.1:47999/callback";

export class User {
  redirectUrl = REDIRECT_URI;
  clientMetadata = {
    application_type: "native",
    client_name: "A test",
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [REDIRECT_URI],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };

  constructor(lines) {
    this.lines = lines;
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.saved;
  }

  saveTokens(tokens) {
    this.saved = tokens;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  async redirectToAuthorization(url) {
    this.lines.push(["GET", url.pathname, ...named(url.searchParams)].join(" "));
    this.response = await signIn(url, REDIRECT_URI);
  }
}

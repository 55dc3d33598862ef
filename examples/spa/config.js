// For an Auth0 tenant change these two lines: its domain, and the client ID of a single-page application in it.
export const domain = "http://localhost:3011";
export const clientId = "spa";

export const audience = "https://quickstarts/api";
export const api = "http://127.0.0.1:3010";

// Whether tokens are bound to a key of this browser (DPoP, RFC 9449), so that they are useless without it.
export const useDpop = false;

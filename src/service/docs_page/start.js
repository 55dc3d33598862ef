// Shows the document; nothing is loaded from elsewhere.
const { audience, client } = document.getElementById("swagger-ui").dataset;
const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // A service on the internet.
  validatorUrl: null,
  oauth2RedirectUrl: new URL("docs/oauth2-redirect.html", location.href).href,
});
ui.initOAuth({
  clientId: client,
  usePkceWithAuthorizationCodeGrant: true,
  // Some issuers issue tokens for an API only where a request names it.
  additionalQueryStringParams: audience ? { audience } : {},
});

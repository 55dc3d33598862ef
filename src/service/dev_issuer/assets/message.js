// Posts the authorization response to the window that opened or framed this one; the browser delivers
// it only if that window has the target's origin.
"use strict";

const { target, response } = document.currentScript.dataset;
const message = { type: "authorization_response", response: JSON.parse(response) };
(window.opener ?? window.parent).postMessage(message, target);

// Checks the HTTPRoutes of a file by the schema of the Gateway API, which kubernetes-validate does not have.
import { readFileSync } from "node:fs";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { loadAll } from "js-yaml";

const routes = loadAll(readFileSync(process.argv[2], "utf8")).filter(({ kind }) => kind === "HTTPRoute");
if (routes.length !== 1) throw new Error(`${routes.length} HTTPRoutes`);
for (const { metadata, spec } of routes) new HTTPRoute({ metadata, spec }).validate();

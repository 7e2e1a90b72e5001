import { createRouterTransport } from "@connectrpc/connect";
import { addRoutes } from "./connect.ts";
import type { Link } from "./client.ts";
import { routesOf } from "./gate.ts";
import type { Credentials, Door, Implementation } from "./service.ts";

/** A link to handlers in this process, through the same door and the same serialization: for tests. */
export function memoryLink(implementations: readonly Implementation[], door: Door, credentials: Partial<Credentials> = {}): Link {
  const routes = routesOf(implementations, door);
  const shown = { credentials: { from: "memory", ...credentials } };
  return {
    transport: createRouterTransport((router) => addRoutes(router, routes, () => shown)),
    close: () => {},
  };
}

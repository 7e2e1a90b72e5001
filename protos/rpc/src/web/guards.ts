import type { IncomingMessage } from "node:http";

/** Why a request is not let in at all; undefined: it is. */
export type Refusal = "HOST" | "ORIGIN" | undefined;

export interface Guard {
  /** Names under which the portal is reached, with port where it is not the scheme's own. */
  hosts: ReadonlySet<string>;
  scheme: "http" | "https";
}

/**
 * A page of another origin changes nothing and opens no socket, and a name that was bound to our address by somebody else
 * (DNS rebinding) is not ours. Programs send no Origin; browsers always do where it counts.
 */
export function refusalOf({ headers, method = "GET" }: IncomingMessage, { hosts, scheme }: Guard, upgrade: boolean): Refusal {
  const host = headers.host?.toLowerCase() ?? "";
  if (!hosts.has(host)) return "HOST";
  if (!upgrade && (method === "GET" || method === "HEAD")) return undefined;
  const { origin } = headers;
  if (origin !== undefined) return origin.toLowerCase() === `${scheme}://${host}` ? undefined : "ORIGIN";
  const site = headers["sec-fetch-site"];
  const fromPage = (site !== undefined && site !== "same-origin" && site !== "none") || (upgrade && headers.cookie !== undefined);
  return fromPage ? "ORIGIN" : undefined;
}

/** Loopback under the names that people type, or the names that were configured. */
export function hostsOf(names: readonly string[], port: number): ReadonlySet<string> {
  return new Set(names.flatMap((name) => [`${name.toLowerCase()}:${port}`, ...(port === 80 || port === 443 ? [name.toLowerCase()] : [])]));
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

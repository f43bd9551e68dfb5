// Where the deployment takes relays, from the forms that people write: https://host, grpcs://host:8082, and the address of
// the earlier worker, ws://host:8081/ws.

import { isLoopback } from "@hil/platform/http/loopback.ts";

/** The port on which a deployment takes relays. */
export const RELAY_PORT = 8082;

/** A server, taken apart. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Safe to print. */
  readonly text: string;
  /** It was written in the form of the earlier worker, whose port was another. */
  readonly isOfEarlierWorker: boolean;
}

export type ReadAddress =
  | { readonly kind: "address"; readonly address: ServerAddress }
  | { readonly kind: "refused"; readonly reason: string };

const WRITE =
  "write https://HOST (the port is 443), grpcs://HOST (8082), or http://HOST:8082 without encryption";

/**
 * Reads an address. https and http have the ports that they have everywhere, 443 and 80; grpcs and grpc have 8082. Of a ws or wss
 * address the host and the encryption count: the relay port is 8082, whatever the worker's was.
 */
export function readServerAddress(text: string): ReadAddress {
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `grpcs://${text}`;
  const [, scheme = ""] = /^([a-z][a-z0-9+.-]*):/i.exec(written) ?? [];
  // Schemes that a URL has no default port for are read alike, and as a host and a port.
  const url = URL.parse(written.replace(/^[a-z][a-z0-9+.-]*:/i, "hil:"));
  if (url === null || url.hostname === "") return { kind: "refused", reason: `is no address: ${WRITE}` };
  if (url.username !== "" || url.password !== "") {
    return { kind: "refused", reason: "must not hold a credential: put it into HIL_TOKEN or HIL_TOKEN_FILE" };
  }
  const host = url.hostname.toLowerCase();
  const given = url.port === "" ? undefined : Number(url.port);
  const at = (tls: boolean, port: number, isOfEarlierWorker = false): ReadAddress => ({
    kind: "address",
    address: { host, port, tls, text: `${tls ? "grpcs" : "grpc"}://${host}:${port}`, isOfEarlierWorker },
  });
  switch (scheme.toLowerCase()) {
    case "ws":
      return at(false, RELAY_PORT, true);
    case "wss":
      return at(true, RELAY_PORT, true);
    default:
      break;
  }
  if (!/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "") {
    return { kind: "refused", reason: `must end after the host and the port, without a path: ${WRITE}` };
  }
  switch (scheme.toLowerCase()) {
    case "https":
      return at(true, given ?? 443);
    case "grpcs":
      return at(true, given ?? RELAY_PORT);
    case "http":
      return at(false, given ?? 80);
    case "grpc":
      return at(false, given ?? RELAY_PORT);
    default:
      return { kind: "refused", reason: `begins with ${scheme}: ${WRITE}` };
  }
}

/** Whether all that is said to this server can be read on the way. */
export function isReadableOnTheWay({ tls, host }: ServerAddress): boolean {
  return !tls && !isLoopback(host);
}

// The HTTP proxy on the way out, as the variables name it.

import { proxyFor } from "@hil/platform/client/proxy.ts";
import { ConfigurationError } from "@hil/platform/config/environment.ts";
import { isLoopback } from "@hil/platform/http/loopback.ts";
import type { ServerAddress } from "./server-address.ts";

/** A proxy that is asked with CONNECT. */
export interface OutboundProxy {
  readonly host: string;
  readonly port: number;
  /** The variable's value. Never print it: it may hold a password. */
  readonly url: string;
  /** For `Proxy-Authorization: Basic`. Undefined: it wants none. */
  readonly credentials: string | undefined;
  /** Safe to print. */
  readonly text: string;
}

/**
 * The proxy to a server: `grpc_proxy`, else `https_proxy` or `http_proxy` by whether the way is encrypted, else `all_proxy`; none
 * where `no_proxy` names the server. Throws a ConfigurationError where it cannot be used.
 */
export function readOutboundProxy(
  server: ServerAddress,
  environment: NodeJS.ProcessEnv,
): OutboundProxy | undefined {
  const forGrpc = environment.grpc_proxy ?? environment.GRPC_PROXY;
  const variables =
    forGrpc === undefined ? environment : { ...environment, https_proxy: forGrpc, http_proxy: forGrpc };
  if (isLoopback(server.host)) return undefined;
  const found = proxyFor(`${server.tls ? "https" : "http"}://${server.host}:${server.port}`, variables);
  if (found === undefined) return undefined;
  const url = URL.parse(found);
  if (url === null || url.protocol !== "http:" || url.hostname === "") {
    // The value is not repeated: it may hold a password.
    throw new ConfigurationError(
      "the proxy that the variables name (grpc_proxy, https_proxy, http_proxy or all_proxy) cannot be used: it must be an address such as http://proxy:3128; to go without it, name the server in no_proxy",
    );
  }
  const { hostname, username, password } = url;
  const port = Number(url.port || "80");
  const credentials = username === "" ? undefined : `${decode(username)}:${decode(password)}`;
  return { host: hostname, port, url: found, credentials, text: `${hostname}:${port}` };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone "%" stands for itself
  }
}

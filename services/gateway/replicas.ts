// Connections to the replicas of a service that the gateway hands plain HTTP on to.
//
// R1. A replica that does not take the connection is passed over while nothing of the request was read.

import * as http from "node:http";
import { resolveAddresses } from "@hil/platform/rpc/addresses.ts";

const CONNECT_PATIENCE_MS = 1_000;

export interface Replicas {
  /** Where they are now. Rejects while that cannot be found out. */
  addresses(): Promise<readonly string[]>;
  /** A request with a connection under it, of the first replica that takes one. Rejects where none does. */
  connect(options: ConnectOptions): Promise<http.ClientRequest>;
  close(): void;
}

export interface ConnectOptions {
  readonly method: string;
  readonly path: string;
  /** What is sent to a replica, by its address. */
  readonly headers: (address: string) => http.OutgoingHttpHeaders;
  /** In which order they are tried. Default: in turn. */
  readonly order?: (addresses: readonly string[]) => readonly string[];
}

/** `url` as for remoteTransport. `maxSockets`: connections to one replica at a time. */
export function openReplicas({ url, maxSockets }: { url: string; maxSockets: number }): Replicas {
  const known = resolveAddresses(url);
  const agent = new http.Agent({ keepAlive: true, maxSockets, timeout: 60_000 });
  let turn = 0;
  const inTurn = (addresses: readonly string[]) => {
    const first = turn++ % addresses.length;
    return [...addresses.slice(first), ...addresses.slice(0, first)];
  };
  return {
    addresses: () => known.current(),
    async connect({ method, path, headers, order = inTurn }) {
      let failure: unknown;
      for (const address of order(await known.current())) {
        const { hostname, port } = new URL(address);
        const request = http.request({
          method,
          path,
          headers: headers(address),
          agent,
          host: hostname.replace(/^\[|\]$/g, ""),
          port: port || 80,
        });
        try {
          await connected(request);
          return request;
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    },
    close() {
      known.close();
      agent.destroy();
    },
  };
}

function connected(request: http.ClientRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => request.destroy(new Error("the connection took too long")),
      CONNECT_PATIENCE_MS,
    );
    const settle = (end: () => void) => {
      clearTimeout(late);
      request.removeListener("error", fail);
      end();
    };
    const fail = (error: Error) => {
      request.on("error", () => {}); // what comes after the first is the same trouble
      settle(() => reject(error));
    };
    request.once("error", fail);
    request.once("socket", (socket) => {
      if (socket.connecting) socket.once("connect", () => settle(resolve));
      else settle(resolve);
    });
  });
}

// How one service calls another over the network: one connection to each replica, calls spread over them.
//
// M1. A call goes to the next replica in turn; one that just could not be reached is passed over for a while.
// M2. A call that changes nothing when it is repeated (idempotency_level in the contract, and a request id where the
//     contract has one) is tried again elsewhere when its replica could not be reached, within its time. Any other is
//     tried once: it may have happened.
// M3. No call is without end: what names no time of its own gets 15 s.

import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { backoffMs } from "../retry/backoff.ts";
import { currentTracing } from "../telemetry/tracing.ts";
import { resolveAddresses } from "./addresses.ts";
import { leanUnary } from "./lean-unary.ts";
import { isRepeatable } from "./repeatable.ts";

const CALL_PATIENCE_MS = 15_000;
const TRIES = 4;
const RETRY = { baseMs: 20, maxMs: 500 };
/** How long a replica that could not be reached is passed over. */
const AVOIDED_MS = 2_000;
const PING_INTERVAL_MS = 10_000;
const PING_PATIENCE_MS = 3_000;

export interface RemoteTransport extends Transport {
  close(): void;
}

interface Replica {
  readonly transport: Transport;
  readonly manager: Http2SessionManager;
  avoidedUntilMs: number;
}

export interface RemoteTransportOptions {
  /** "http://session:8080"; every address that the name has is a replica. Several, separated by commas. */
  readonly url: string;
  /** Goes with every call that does not bring a credential of its own, as `Authorization: Bearer`. */
  readonly credential?: string;
}

export function remoteTransport({ url, credential }: RemoteTransportOptions): RemoteTransport {
  const addresses = resolveAddresses(url);
  const replicas = new Map<string, Replica>();
  let turn = 0;

  const prepare = (headers: Headers): void => {
    if (credential !== undefined && !headers.has("authorization") && !headers.has("cookie")) {
      headers.set("authorization", `Bearer ${credential}`);
    }
    currentTracing()?.inject(headers);
  };
  const open = (address: string): Replica => {
    const manager = new Http2SessionManager(address, {
      pingIntervalMs: PING_INTERVAL_MS,
      pingTimeoutMs: PING_PATIENCE_MS,
    });
    const streams = createConnectTransport({
      baseUrl: address,
      httpVersion: "2",
      sessionManager: manager,
      interceptors: [
        (next) => (request) => {
          prepare(request.header);
          return next(request);
        },
      ],
    });
    const transport: Transport = { unary: leanUnary(manager, { prepare }), stream: streams.stream };
    return { transport, manager, avoidedUntilMs: 0 };
  };
  const pick = async (): Promise<Replica> => {
    const current = await addresses.current().catch((error: unknown) => {
      throw new ConnectError(`${url} cannot be found`, Code.Unavailable, undefined, undefined, error);
    });
    for (const [address, { manager }] of replicas) {
      if (current.includes(address)) continue;
      replicas.delete(address); // calls under way end by themselves
      if (manager.state() === "idle" || manager.state() === "closed") manager.abort();
    }
    const now = performance.now();
    const candidates = current.map((address) => {
      const known = replicas.get(address) ?? open(address);
      replicas.set(address, known);
      return known;
    });
    const good = candidates.filter(({ avoidedUntilMs }) => avoidedUntilMs <= now);
    const among = good.length > 0 ? good : candidates;
    return among[turn++ % among.length]!;
  };
  const run = async <R>(
    method: DescMethod,
    input: object,
    signal: AbortSignal | undefined,
    call: (transport: Transport) => Promise<R>,
  ): Promise<R> => {
    for (let tries = 1; ; tries++) {
      const replica = await pick();
      try {
        return await call(replica.transport);
      } catch (thrown) {
        const error = ConnectError.from(thrown);
        if (!isUnreachable(error, signal)) throw error;
        replica.avoidedUntilMs = performance.now() + AVOIDED_MS;
        if (tries === TRIES || !isRepeatable(method, input)) throw unreachable(error);
        await new Promise((resolve) => setTimeout(resolve, backoffMs(tries, RETRY)));
        if (signal?.aborted) throw error;
      }
    }
  };
  return {
    unary: (method, signal, timeoutMs = CALL_PATIENCE_MS, header, input, values) =>
      run(method, input, signal, (transport) =>
        transport.unary(method, signal, timeoutMs, header, input, values),
      ),
    // A stream is opened once; whoever reads it opens another where it breaks.
    stream: async (method, signal, timeoutMs, header, input, values) =>
      (await pick()).transport.stream(method, signal, timeoutMs, header, input, values),
    close() {
      addresses.close();
      for (const { manager } of replicas.values()) manager.abort();
      replicas.clear();
    },
  };
}

/**
 * Whether the call did not come through, as opposed to being refused. Connections that break under a call show as
 * UNAVAILABLE, CANCELED, ABORTED or INTERNAL without a detail of ours, whatever the caller did.
 */
function isUnreachable(error: ConnectError, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted || error.details.length > 0) return false;
  switch (error.code) {
    case Code.Unavailable:
    case Code.Canceled:
    case Code.Aborted:
    case Code.Internal:
      return true;
    default:
      return false;
  }
}

function unreachable(error: ConnectError): ConnectError {
  if (error.code === Code.Unavailable) return error;
  return new ConnectError(
    "the connection broke under the call",
    Code.Unavailable,
    undefined,
    undefined,
    error,
  );
}

// The one way out to addresses that tenants choose: a channel's api_url, a callback_url.
//
// E1. What is judged is what is connected to: the records of one look-up are all judged, and the connection goes to
//     one of them. A name that changes its address in between (DNS rebinding) gains nothing.
// E2. One bad record among good ones refuses the name: which of them is used is the network's choice, not ours.
// E3. Nothing else leads out: no redirect is followed, no proxy of the environment is used, no cookie is kept.
// E4. Whoever chose the address learns only that it is refused; the log says why, without path and query, which may
//     be secrets.
// E5. A call ends within 15 s, and no more than 64 KiB of its answer are read.

import { lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { Agent, buildConnector, type Dispatcher, request } from "undici";
import type { Log } from "../telemetry/log.ts";
import { addressProblem } from "./address-rules.ts";
import type { EgressConfig } from "./config.ts";
import { originProblem, readUrl } from "./url-rules.ts";

const PATIENCE_MS = 15_000;
const MOST_ANSWER_BYTES = 64 * 1024;

/** Why an address is not called. Not for whoever chose it. */
export interface Refusal {
  readonly why: string;
}

/** What a call to a refused address throws. Says nothing that its chooser may not know. */
export class EgressRefusedError extends Error {
  override readonly name = "EgressRefusedError";
  readonly code = "ADDRESS_REFUSED";

  constructor() {
    super("this deployment does not call that address");
  }
}

export interface EgressRequest {
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface EgressResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: Buffer;
}

export interface EgressGuard {
  /** Looks an address up and judges it, when it is set and before it is used. A name that cannot be found is refused. */
  check(url: string): Promise<Refusal | undefined>;
  /** Makes one call. Throws EgressRefusedError, or what the network gives. A redirect comes back as it is. */
  fetch(url: string, init?: EgressRequest): Promise<EgressResponse>;
  /** For callers with an HTTP client of their own. Refuses with EgressRefusedError; never follows anything. */
  readonly dispatcher: Dispatcher;
  close(): Promise<void>;
}

export interface EgressGuardOptions {
  readonly config: EgressConfig;
  readonly log: Log;
  /** Default: the system's. */
  readonly lookup?: LookupFunction;
  /** This machine's addresses. Default: those of its interfaces, read at each call. */
  readonly ownAddresses?: () => readonly string[];
}

interface Resolved {
  readonly address: string;
  readonly family: number;
}

export function createEgressGuard({
  config,
  log,
  lookup = systemLookup as LookupFunction,
  ownAddresses = interfaceAddresses,
}: EgressGuardOptions): EgressGuard {
  /** All addresses of a host, or why it is not called. Rejects where its name cannot be found. */
  const resolve = async (host: string): Promise<Refusal | readonly Resolved[]> => {
    const family = isIP(host);
    const records = family ? [{ address: host, family }] : await lookUp(lookup, host);
    const rules = { nets: config.nets, own: ownAddresses(), isNamed: config.hosts.includes(host) };
    for (const { address } of records) {
      const why = addressProblem(address, rules);
      if (why) return { why };
    }
    return records.length > 0 ? records : { why: "its name has no address" };
  };
  const refuse = (host: string, why: string): EgressRefusedError => {
    log.warn(
      { host: host.slice(0, 300), why },
      "an outgoing call to an address that is not allowed was refused",
    );
    return new EgressRefusedError();
  };

  const dispatcher = new Agent({
    connect: (options, callback) => {
      const { protocol, hostname, port } = options;
      const connect = async () => {
        const why = originProblem({ protocol, host: hostname, port }, config);
        if (why) throw refuse(hostname, why);
        const resolved = await resolve(hostname);
        if ("why" in resolved) throw refuse(hostname, resolved.why);
        // Made for this connection: it knows no other addresses than those that were judged.
        return buildConnector({
          allowH2: false,
          maxCachedSessions: 0,
          timeout: PATIENCE_MS,
          lookup: pinned(resolved),
        });
      };
      connect().then(
        (connector) => connector(options, callback),
        (error: Error) => callback(error, null),
      );
    },
    headersTimeout: PATIENCE_MS,
    bodyTimeout: PATIENCE_MS,
    allowH2: false,
  });

  return {
    async check(text) {
      const reading = readUrl(text, config);
      if (reading.kind === "refused") return logged(hostOf(text), reading.why);
      try {
        const resolved = await resolve(reading.host);
        return "why" in resolved ? logged(reading.host, resolved.why) : undefined;
      } catch {
        // Told apart from a name with a private address, it would tell which names there are inside.
        return logged(reading.host, "its name cannot be found");
      }
    },
    async fetch(text, { method = "GET", headers = {}, body, signal } = {}) {
      const reading = readUrl(text, config);
      if (reading.kind === "refused") throw refuse(hostOf(text), reading.why);
      const patience = AbortSignal.timeout(PATIENCE_MS);
      const response = await request(reading.url, {
        method,
        headers,
        body: body ?? null,
        dispatcher,
        signal: signal ? AbortSignal.any([signal, patience]) : patience,
      });
      return { status: response.statusCode, headers: response.headers, body: await readSome(response.body) };
    },
    dispatcher,
    close: () => dispatcher.destroy(),
  };

  function logged(host: string, why: string): Refusal {
    refuse(host, why);
    return { why };
  }
}

/** Node's own look-up asks for all records or for one. Both get nothing else than what was judged. */
function pinned(resolved: readonly Resolved[]): LookupFunction {
  return (_name, options, callback) => {
    if (options.all) callback(null, [...resolved]);
    else callback(null, resolved[0]!.address, resolved[0]!.family);
  };
}

function lookUp(lookup: LookupFunction, name: string): Promise<Resolved[]> {
  return new Promise((resolve, reject) => {
    lookup(name, { all: true }, (error, addresses, family) => {
      if (error) reject(error);
      else if (Array.isArray(addresses)) resolve(addresses);
      else resolve([{ address: addresses, family: family ?? isIP(addresses) }]);
    });
  });
}

/** Reads at most 64 KiB and leaves the rest: it would be the other side that decides how long we read. */
async function readSome(body: Dispatcher.ResponseData["body"]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MOST_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MOST_ANSWER_BYTES);
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []);
}

/** For the log, of what may be no URL at all. */
function hostOf(text: string): string {
  return URL.canParse(text) ? new URL(text).host : "";
}

// Clients before 2026-07-28 say who they are once, and cancel a call by a request of its own. Both would be lost where
// every request stands for itself; so a client gets a session id that carries its name, and by which a cancellation
// finds the call that it means. Nothing else hangs on it, and a server that was started anew takes an old one.

import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Principal } from "@hil/platform/auth/principal.ts";

const HEADER = "mcp-session-id";
const MOST_NAME = 100;

/** One request under way. */
export interface LegacyExchange {
  /** What goes with its answer. */
  readonly headers: Readonly<Record<string, string>>;
  end(): void;
}

const NOTHING: LegacyExchange = { headers: {}, end() {} };

interface Message {
  readonly method?: unknown;
  readonly id?: unknown;
  readonly params?: {
    readonly requestId?: unknown;
    readonly clientInfo?: { readonly name?: unknown };
  };
}

export function createLegacySessions() {
  /** The calls under way of clients that have a session, by principal, session and request. */
  const calls = new Map<string, AbortController>();
  const keyOf = ({ tenantId, id: principalId }: Principal, sessionId: string, requestId: unknown) =>
    JSON.stringify([tenantId, principalId, sessionId, requestId]);
  return {
    /** Notes a request. A cancellation aborts the call that it names, where that is one of the same principal. */
    begin(
      headers: IncomingHttpHeaders,
      body: unknown,
      principal: Principal,
      call: AbortController,
    ): LegacyExchange {
      if (typeof body !== "object" || body === null) return NOTHING;
      const { method, id, params } = body as Message;
      if (method === "initialize")
        return { ...NOTHING, headers: { [HEADER]: newId(params?.clientInfo?.name) } };
      const sessionId = headers[HEADER];
      if (typeof sessionId !== "string") return NOTHING;
      if (method === "notifications/cancelled") {
        calls.get(keyOf(principal, sessionId, params?.requestId))?.abort();
        return NOTHING;
      }
      if (method !== "tools/call" || id === undefined) return NOTHING;
      const key = keyOf(principal, sessionId, id);
      calls.set(key, call);
      return {
        ...NOTHING,
        end() {
          if (calls.get(key) === call) calls.delete(key);
        },
      };
    },
  };
}

/** How a client called itself when it got its session id; undefined where it has none of ours. */
export function clientNameOf(headers: IncomingHttpHeaders): string | undefined {
  const [encoded, random] = String(headers[HEADER] ?? "").split(".", 2);
  if (!random || !encoded || encoded.length > 4 * MOST_NAME) return undefined;
  return Buffer.from(encoded, "base64url").toString("utf8");
}

function newId(name: unknown): string {
  const shown = typeof name === "string" ? name.slice(0, MOST_NAME) : "";
  return `${Buffer.from(shown, "utf8").toString("base64url")}.${randomUUID()}`;
}

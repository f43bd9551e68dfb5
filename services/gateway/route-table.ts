import type { IncomingHttpHeaders } from "node:http";
import type { RequestBody } from "@hil/platform/http/request-body.ts";
import type { Caller } from "./caller.ts";

/** What a handler gives back; the gateway writes it. */
export interface Answer {
  readonly status: number;
  /** Sent as JSON. */
  readonly body: unknown;
  readonly headers?: Record<string, string>;
  /** Runs once the caller's connection has taken all of the answer. */
  readonly afterSent?: () => void;
}

/** One request, as a handler sees it. */
export interface Call {
  /** The request came with the prefix /api. */
  readonly underApi: boolean;
  /** What stands in the place of "{id}". Empty for a pattern without one. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The headers to call services with. */
  readonly credential: Record<string, string>;
  readonly body: RequestBody;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** Without /api: "/poll/{id}". At most one "{id}", which stands for one segment. */
  readonly pattern: string;
  /** "either": with and without /api. "api": only with it. */
  readonly prefix: "either" | "api";
  /** "open": for everybody. "earlier": also without a key, where the deployment allows that. "key": with a credential. */
  readonly access: "open" | "earlier" | "key";
  handle(call: Call): Answer | Promise<Answer>;
  /** Says no in the words of this face. Unset: 401 with the sentence. */
  readonly refuse?: (sentence: string) => Answer;
}

/** The caller's name for this try, so that a repeat is recognised; "" where it gives none. */
export function idempotencyKeyOf(call: Call): string {
  const value = call.headers["idempotency-key"];
  return typeof value === "string" ? value : "";
}

/** What a path leads to. */
export type Found =
  | { readonly kind: "route"; readonly route: Route; readonly id: string; readonly underApi: boolean }
  | { readonly kind: "wrong-method"; readonly allow: string }
  | { readonly kind: "unknown" };

/** Looks a path up. `path` has no query. HEAD finds what GET does. */
export function findRoute(routes: readonly Route[], method: string, path: string): Found {
  const underApi = path === "/api" || path.startsWith("/api/");
  const plain = (underApi ? path.slice("/api".length) : path) || "/";
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed = new Set<string>();
  for (const route of routes) {
    if (route.prefix === "api" && !underApi) continue;
    const id = matchPattern(route.pattern, plain);
    if (id === undefined) continue;
    if (route.method === wanted) return { kind: "route", route, id, underApi };
    allowed.add(route.method);
  }
  if (allowed.size === 0) return { kind: "unknown" };
  if (allowed.has("GET")) allowed.add("HEAD");
  return { kind: "wrong-method", allow: [...allowed].sort().join(", ") };
}

/** The id in a path; "" where the pattern has none; undefined where the path does not fit. */
function matchPattern(pattern: string, path: string): string | undefined {
  const at = pattern.indexOf("{id}");
  if (at < 0) return path === pattern ? "" : undefined;
  const before = pattern.slice(0, at);
  const after = pattern.slice(at + "{id}".length);
  if (!path.startsWith(before) || !path.endsWith(after)) return undefined;
  const id = path.slice(before.length, path.length - after.length);
  return id === "" || id.includes("/") || path.length < before.length + after.length ? undefined : id;
}

/** The credential of a caller that a route lets in; undefined for one that it refuses. */
export function admit(access: Route["access"], caller: Caller): Record<string, string> | undefined {
  switch (caller.kind) {
    case "key":
    case "console":
      return caller.headers;
    case "keyless":
      return access === "key" ? undefined : caller.headers;
    case "wrong-key":
    case "refused":
    case "nobody":
      return access === "open" ? {} : undefined;
  }
}

// Where a call stands in a trace (W3C Trace Context), in a process that may or may not trace.
//
// T1. Where tracing is off this is one comparison for each call: nothing of OpenTelemetry is loaded, no context is
//     carried.
// T2. A caller's traceparent is taken where it is well-formed, and is otherwise as if it were not there.
// T3. It goes on to services of the deployment, never to vendors and askers: what they see of us is what they need.
// T4. Spans hold names of RPCs, codes and times. What people wrote, keys and addresses are in none (I12).

/** The headers of a call, by lower-case name. */
interface Headers {
  get(name: string): string | null;
}

interface HttpRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

interface HttpResponse {
  readonly statusCode: number;
  once(event: "close", listener: () => void): unknown;
}

/** Which RPC a span is about. */
export interface SpanName {
  readonly service: string;
  readonly method: string;
}

/** A process that traces; see start-tracing.ts. */
export interface Tracing {
  /** Runs a call in a span of its own, below the caller's. */
  serve<R>(name: SpanName, headers: Headers, run: () => R): R;
  serveStream<T>(name: SpanName, headers: Headers, open: () => AsyncIterable<T>): AsyncIterable<T>;
  /** Runs a plain HTTP request in a span of its own, which ends with its response. */
  serveHttp<R>(request: HttpRequest, response: HttpResponse, run: () => R): R;
  /** Sets the headers by which the next service goes on. Leaves them where no trace is under way. */
  inject(headers: { set(name: string, value: string): void }): void;
  /** The place that is traced now, as a traceparent; empty where none is. */
  place(): string;
  /** Runs work as if it were called from a place that was kept. */
  resume<R>(place: string, run: () => R): R;
  /** Says in the span of now that it has to do with a place that was kept. */
  link(place: string): void;
}

let tracing: Tracing | undefined;

/** Undefined where this process does not trace. */
export function currentTracing(): Tracing | undefined {
  return tracing;
}

/** Begins to trace, or stops. */
export function setTracing(next: Tracing | undefined): void {
  tracing = next;
}

/** The place that is traced now, to be kept; empty where none is. */
export function tracePlace(): string {
  return tracing?.place() ?? "";
}

/**
 * Runs work as part of the trace that a place was kept of; of none where it is empty. Work that goes on for many calls
 * says so, or it would stay for ever in the trace of the call that woke it.
 */
export function resumeTrace<R>(place: string, run: () => R): R {
  return tracing ? tracing.resume(place, run) : run();
}

/** What a log line says of the trace. */
export function traceFields(): Record<string, string> {
  const place = tracing?.place() ?? "";
  return place === "" ? {} : { trace_id: place.slice(3, 35) };
}

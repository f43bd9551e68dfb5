// Traces with OpenTelemetry's API. Loaded only where tracing is on; see tracing.ts for what it keeps.

import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { codeName } from "../errors/code-name.ts";
import { readTraceparent, writeTraceparent } from "./traceparent.ts";
import type { SpanName, Tracing } from "./tracing.ts";

/** Codes that are our fault; the others are answers. */
const FAULTS = new Set([
  "unknown",
  "deadline_exceeded",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
]);

export function createTracing(provider: TracerProvider, version: string): Tracing {
  const tracer = provider.getTracer("hil", version);
  const storage = new AsyncLocalStorage<Context>();
  const here = () => {
    const context = storage.getStore();
    return context && trace.getSpanContext(context);
  };

  const begin = ({ service, method }: SpanName, headers: { get(name: string): string | null }) => {
    const parent = contextOf(headers.get("traceparent"), headers.get("tracestate"));
    const attributes = { "rpc.system": "connect_rpc", "rpc.service": service, "rpc.method": method };
    const span = tracer.startSpan(`${service}/${method}`, { kind: SpanKind.SERVER, attributes }, parent);
    return { span, context: trace.setSpan(parent, span) };
  };

  return {
    serve(name, headers, run) {
      const { span, context } = begin(name, headers);
      try {
        const result = storage.run(context, run);
        if (!(result instanceof Promise)) {
          span.end();
          return result;
        }
        return result.then(
          (value) => {
            span.end();
            return value;
          },
          (error: unknown) => {
            fail(span, error);
            throw error;
          },
        ) as typeof result;
      } catch (error) {
        fail(span, error);
        throw error;
      }
    },
    async *serveStream(name, headers, open) {
      const { span, context } = begin(name, headers);
      try {
        const messages = storage.run(context, () => open()[Symbol.asyncIterator]());
        try {
          for (;;) {
            // A generator runs in the context of whoever asks it for more.
            const next = await storage.run(context, () => messages.next());
            if (next.done) break;
            yield next.value;
          }
        } finally {
          await messages.return?.();
        }
        span.end();
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end(); // where the caller went away; ending twice is nothing
      }
    },
    serveHttp(request, response, run) {
      const headerOf = (name: string) => {
        const value = request.headers[name];
        return typeof value === "string" ? value : null;
      };
      const method = /^[A-Z]{3,10}$/.test(request.method ?? "") ? request.method! : "_OTHER";
      const parent = contextOf(headerOf("traceparent"), headerOf("tracestate"));
      const attributes = { "http.request.method": method };
      // Its path may hold a key, and is in no span.
      const span = tracer.startSpan(`HTTP ${method}`, { kind: SpanKind.SERVER, attributes }, parent);
      response.once("close", () => {
        span.setAttribute("http.response.status_code", response.statusCode);
        if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      });
      return storage.run(trace.setSpan(parent, span), run);
    },
    inject(headers) {
      const at = here();
      if (!at) return;
      headers.set("traceparent", writeTraceparent({ ...at, flags: at.traceFlags }));
      const state = at.traceState?.serialize();
      if (state) headers.set("tracestate", state);
    },
    place() {
      const at = here();
      return at ? writeTraceparent({ ...at, flags: at.traceFlags }) : "";
    },
    resume(place, run) {
      return storage.run(contextOf(place, null), run);
    },
    link(place) {
      const to = trace.getSpanContext(contextOf(place, null));
      const context = storage.getStore();
      if (to && context) trace.getSpan(context)?.addLink({ context: to });
    },
  };
}

/** The context of a caller that says where it stands; the root where it does not, or not well-formed. */
function contextOf(traceparent: string | null, tracestate: string | null): Context {
  const place = readTraceparent(traceparent);
  if (!place) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: place.traceId,
    spanId: place.spanId,
    traceFlags: place.flags,
    isRemote: true,
    ...(tracestate ? { traceState: createTraceState(tracestate) } : {}),
  });
}

function fail(span: Span, error: unknown): void {
  const code = codeName(error);
  span.setAttribute("rpc.connect_rpc.error_code", code);
  if (FAULTS.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

// What is noted of every call of an RPC, by whichever transport it came: how it ended, how long it took, and where
// tracing is on a span.
//
// V1. A call is counted once in each process that answers it or hands it on; one that is refused by its headers too.
// V2. It adds less than a microsecond to a call, and keeps a parked wait no larger than it was but for one promise.

import type { DescMethod } from "@bufbuild/protobuf";
import { codeName } from "../errors/code-name.ts";
import { callDuration, calls } from "../telemetry/metrics.ts";
import { currentTracing } from "../telemetry/tracing.ts";
import type { Method } from "./service.ts";

/** The method, observed. */
export function observed(method: Method): Method {
  const meter = createMeter(method.desc);
  const { admit } = method;
  const span = { service: method.desc.parent.typeName, method: method.desc.name };
  return {
    desc: method.desc,
    ...(admit && {
      admit(headers) {
        try {
          const admitted = admit.call(method, headers);
          if (!(admitted instanceof Promise)) return admitted;
          return admitted.catch((error: unknown) => {
            meter.refused(error);
            throw error;
          });
        } catch (error) {
          meter.refused(error);
          throw error;
        }
      },
    }),
    unary(request, headers, signal, admitted) {
      const startMs = performance.now();
      const run = () => method.unary(request, headers, signal, admitted);
      try {
        const tracing = currentTracing();
        const result = tracing ? tracing.serve(span, headers, run) : run();
        if (!(result instanceof Promise)) {
          meter.ended(startMs);
          return result;
        }
        return result.then(
          (message) => {
            meter.ended(startMs);
            return message;
          },
          (error: unknown) => {
            meter.failed(startMs, error);
            throw error;
          },
        );
      } catch (error) {
        meter.failed(startMs, error);
        throw error;
      }
    },
    async *stream(request, headers, signal, admitted) {
      const startMs = performance.now();
      const open = () => method.stream(request, headers, signal, admitted);
      const tracing = currentTracing();
      let failure: { readonly error: unknown } | undefined;
      try {
        yield* tracing ? tracing.serveStream(span, headers, open) : open();
      } catch (error) {
        failure = { error };
        throw error;
      } finally {
        if (failure) meter.failed(startMs, failure.error);
        else meter.ended(startMs);
      }
    },
  };
}

function createMeter(desc: DescMethod) {
  const service = desc.parent.typeName;
  const method = desc.name;
  const duration = callDuration.labels(service, method);
  const byCode = new Map<string, { inc(): void }>();
  const count = (code: string): void => {
    let counter = byCode.get(code);
    if (!counter) {
      counter = calls.labels(service, method, code);
      byCode.set(code, counter);
    }
    counter.inc();
  };
  const ok = calls.labels(service, method, "ok");
  return {
    ended(startMs: number): void {
      ok.inc();
      duration.observe((performance.now() - startMs) / 1000);
    },
    failed(startMs: number, error: unknown): void {
      count(codeName(error));
      duration.observe((performance.now() - startMs) / 1000);
    },
    /** It never began. */
    refused(error: unknown): void {
      count(codeName(error));
    },
  };
}

// How a process that only hands calls on lets go of them when it drains.
//
// G1. A wait ends as if its time were over: the call is made again without its wait, and answers with what is there now.
// G2. A stream ends with NOT_READY: whoever reads it opens another, at another replica, and goes on from its cursor.
// G3. Every other call runs to its end.

import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import { eitherSignal } from "./either-signal.ts";
import { isRepeatable } from "./repeatable.ts";

/** `drain` aborts when the process drains. */
export function drainableTransport(transport: Transport, drain: AbortSignal): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input, values) {
      const call = (message: typeof input, stop: AbortSignal | undefined) =>
        transport.unary(method, stop, timeoutMs, header, message, values);
      if (!waits(input) || !isRepeatable(method, input)) return call(input, signal);
      const short = withoutWait(input);
      if (drain.aborted) return call(short, signal);
      const until = eitherSignal(signal, drain);
      try {
        return await call(input, until.signal);
      } catch (error) {
        if (!drain.aborted || signal?.aborted) throw error;
        return call(short, signal);
      } finally {
        until.release();
      }
    },
    async stream(method, signal, timeoutMs, header, input, values) {
      if (drain.aborted) throw draining();
      const until = eitherSignal(signal, drain);
      const release = () => until.release();
      try {
        const response = await transport.stream(method, until.signal, timeoutMs, header, input, values);
        return endingWith(response, () => drain.aborted && !signal?.aborted, release);
      } catch (error) {
        release();
        throw drain.aborted && !signal?.aborted ? draining() : error;
      }
    },
  };
}

function endingWith<I extends DescMessage, O extends DescMessage>(
  response: StreamResponse<I, O>,
  drained: () => boolean,
  release: () => void,
): StreamResponse<I, O> {
  async function* messages() {
    try {
      yield* response.message;
    } catch (error) {
      throw drained() ? draining() : ConnectError.from(error);
    } finally {
      release();
    }
  }
  return { ...response, message: messages() };
}

const waits = (input: object): boolean => (input as { wait?: unknown }).wait !== undefined;

/** A message's name must not go along: without it the rest is made a message anew. */
function withoutWait<I extends object>(input: I): I {
  const { wait: _, $typeName: __, ...rest } = input as I & { wait?: unknown; $typeName?: unknown };
  return rest as unknown as I;
}

function draining() {
  return hilError(Code.Unavailable, ErrorReason.NOT_READY, "this server is ending; call again", {
    retry_after_ms: "100",
  });
}

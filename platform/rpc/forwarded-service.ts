import type { DescService, Message, MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { TENANT_HEADER } from "../auth/authenticator.ts";
import type { Principal } from "../auth/principal.ts";
import { currentTracing } from "../telemetry/tracing.ts";
import { observed } from "./observed.ts";
import type { CallHeaders, Method, Service } from "./service.ts";

/** What of a call goes on to the service: who calls, and what is traced. Nothing else of it is trusted or needed. */
const FORWARDED_HEADERS = ["authorization", "cookie", TENANT_HEADER, "traceparent", "tracestate"];
/** Longer than any wait that a service grants. */
const FORWARDED_PATIENCE_MS = 620_000;

/**
 * A service that is served here and answered elsewhere: calls are handed on with their caller's own credential, so that
 * the service itself decides. An error comes back as it was given. With `admit`, who calls is looked at by the headers
 * beforehand: a request of somebody unknown is not read, and wrong credentials are counted where their address is known.
 */
export function forwardedService(
  desc: DescService,
  transport: Transport,
  { admit }: { admit?: (headers: CallHeaders) => Principal | Promise<Principal> } = {},
): Service {
  const methods = new Map<string, Method>();
  for (const method of desc.methods) {
    const forwarding: Method = {
      desc: method,
      ...(admit ? { admit } : {}),
      async unary(request, headers, signal) {
        const response = await transport.unary(
          method as typeof method & { methodKind: "unary" },
          signal(),
          FORWARDED_PATIENCE_MS,
          forwardedHeaders(headers),
          request as MessageInitShape<typeof method.input>,
        );
        return response.message;
      },
      async *stream(request, headers, signal) {
        const response = await transport.stream(
          method as typeof method & { methodKind: "server_streaming" },
          signal(),
          undefined,
          forwardedHeaders(headers),
          once(request as Message),
        );
        try {
          yield* response.message;
        } catch (error) {
          throw ConnectError.from(error);
        }
      },
    };
    methods.set(method.localName, observed(forwarding));
  }
  return { desc, methods };
}

function forwardedHeaders(headers: CallHeaders): Headers {
  const forwarded = new Headers();
  for (const name of FORWARDED_HEADERS) {
    const value = headers.get(name);
    if (value !== null) forwarded.set(name, value);
  }
  currentTracing()?.inject(forwarded); // where this process traces, its own span comes between
  return forwarded;
}

async function* once<T>(value: T) {
  yield value;
}

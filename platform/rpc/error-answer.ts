import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamToJson,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { metadataOf } from "../errors/hil-error.ts";

/** A whole answer that says why not. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | undefined;
}

/** An error as the protocol of a request says it, before anything else was answered. The protocol shows in its content type. */
export function errorAnswer(contentType: string, error: ConnectError): ErrorAnswer {
  if (contentType.startsWith("application/grpc")) {
    const status = setTrailerStatus(new Headers(), error);
    // Foreign gRPC clients read the message with decodeURI, which leaves what only encodeURIComponent escapes.
    status.set("grpc-message", encodeURI(error.rawMessage.toWellFormed()));
    return {
      status: 200,
      headers: { ...Object.fromEntries(status), "content-type": contentType },
      body: undefined,
    };
  }
  if (contentType.startsWith("application/connect+")) {
    const end = JSON.stringify(endStreamToJson(new Headers(), error, undefined));
    return {
      status: 200,
      headers: { "content-type": contentType },
      body: encodeEnvelope(endStreamFlag, new TextEncoder().encode(end)),
    };
  }
  const retryAfterMs = metadataOf(error).retry_after_ms;
  return {
    status: codeToHttpStatus(error.code),
    headers: {
      "content-type": "application/json",
      ...(retryAfterMs ? { "retry-after": String(Math.ceil(Number(retryAfterMs) / 1000)) } : {}),
    },
    body: errorToJsonBytes(error, undefined),
  };
}

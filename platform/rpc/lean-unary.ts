// Unary calls of one service to another, on the raw stream: Connect with protobuf over HTTP/2, as connect-node makes them,
// at a fraction of the memory of a call that waits and of the time of one that is answered. It is the other end of
// fast-unary.ts.
//
// Failures have the codes that connect-node gives them, so that whoever tries again need not know which of the two it was.

import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { codeFromHttpStatus, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";

const CONTENT_TYPE = "application/proto";
const TIMEOUT_HEADER = "connect-timeout-ms";

/** Makes the unary calls of a connection. `prepare` completes the headers of each. */
export function leanUnary(
  manager: Http2SessionManager,
  { prepare }: { prepare: (headers: Headers) => void },
): Transport["unary"] {
  return async (method, signal, timeoutMs, header, input) => {
    const headers = new Headers(header);
    prepare(headers);
    const sent: Record<string, string> = {
      ...Object.fromEntries(headers),
      "content-type": CONTENT_TYPE,
      "connect-protocol-version": "1",
    };
    if (timeoutMs !== undefined && timeoutMs > 0) sent[TIMEOUT_HEADER] = String(Math.ceil(timeoutMs));
    if (signal?.aborted) throw canceled(signal);
    const stream = await manager
      .request("POST", `/${method.parent.typeName}/${method.name}`, sent, {})
      .catch((error: unknown) => {
        throw brokenOff(error);
      });
    const call = new Call(stream, signal, timeoutMs);
    stream.end(encode(method.input, input));
    const { headers: answered, body } = await call.answer;
    if (Number(answered[":status"]) !== 200) throw errorOf(answered, body);
    return {
      stream: false,
      service: method.parent,
      method,
      header: new Headers(),
      trailer: new Headers(),
      message: fromBinary(method.output, body) as MessageShape<typeof method.output>,
    } satisfies UnaryResponse<typeof method.input, typeof method.output>;
  };
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** One call. A class so that one that waits keeps one small object. */
class Call {
  readonly answer: Promise<Answer>;
  readonly #stream: ClientHttp2Stream;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: ConnectError) => void;
  #headers: IncomingHttpHeaders | undefined;
  #chunks: Buffer[] | undefined;

  constructor(stream: ClientHttp2Stream, signal: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#stream = stream;
    this.#signal = signal;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (timeoutMs !== undefined && timeoutMs > 0) {
      this.#timer = setTimeout(
        () => this.#giveUp(new ConnectError("it took too long", Code.DeadlineExceeded)),
        timeoutMs,
      );
    }
    signal?.addEventListener("abort", this);
    stream.on("response", (headers) => {
      this.#headers = headers;
    });
    stream.on("data", (chunk: Buffer) => {
      this.#chunks ??= [];
      this.#chunks.push(chunk);
    });
    stream.on("error", (error) => this.#fail(brokenOff(error)));
    stream.on("close", () => this.#closed());
  }

  /** Of the signal: the caller is gone. */
  handleEvent(): void {
    this.#giveUp(canceled(this.#signal!));
  }

  #giveUp(error: ConnectError): void {
    this.#fail(error);
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #closed(): void {
    const { rstCode, readableEnded } = this.#stream;
    if (this.#headers && readableEnded && rstCode === constants.NGHTTP2_NO_ERROR) {
      this.#settle();
      const chunks = this.#chunks ?? [];
      this.#resolve({
        headers: this.#headers,
        body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks),
      });
    } else {
      this.#fail(resetBy(rstCode));
    }
  }

  #fail(error: ConnectError): void {
    this.#settle();
    this.#reject(error); // the first one counts
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
  }
}

function encode<I extends DescMessage>(desc: I, input: MessageInitShape<I>): Uint8Array {
  const message = "$typeName" in input ? (input as MessageShape<I>) : create(desc, input);
  return toBinary(desc, message);
}

function errorOf(headers: IncomingHttpHeaders, body: Uint8Array): ConnectError {
  const status = Number(headers[":status"]);
  const fallback = new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status));
  if (!headers["content-type"]?.startsWith("application/json")) return fallback;
  const metadata = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(":") && value !== undefined) metadata.set(name, String(value));
  }
  try {
    return errorFromJsonBytes(body, metadata, fallback);
  } catch (error) {
    return ConnectError.from(error);
  }
}

function canceled(signal: AbortSignal): ConnectError {
  return ConnectError.from(signal.reason, Code.Canceled);
}

/** The connection is gone, or there was none: whether the call was heard is not known. */
function brokenOff(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return new ConnectError("the connection broke", Code.Unavailable, undefined, undefined, error);
}

function resetBy(rstCode: number | undefined): ConnectError {
  const message = `the call was cut off (HTTP/2 code ${rstCode ?? "none"})`;
  switch (rstCode) {
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return new ConnectError(message, Code.ResourceExhausted);
    case constants.NGHTTP2_CANCEL:
      return new ConnectError(message, Code.Canceled);
    default:
      return new ConnectError(message, Code.Unavailable);
  }
}

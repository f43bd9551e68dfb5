// Reads what a request carries, within bounds.

import type { HttpRequest } from "./listener.ts";

/** The most bytes of one request: ten pictures as data URLs (6 MiB, a third more in base64) and the text. */
export const MAX_BODY_BYTES = 12 * 1024 * 1024;

/** What did not let a body be read. `kind` is the policy: which status the caller gets. */
export class BodyError extends Error {
  override readonly name = "BodyError";
  readonly kind: "too-large" | "malformed";

  constructor(kind: "too-large" | "malformed", message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The body of one request. Each method may be called once, and only one of them. */
export interface RequestBody {
  /** All of it. Throws a BodyError of kind "too-large". */
  bytes(): Promise<Buffer>;
  /** Parsed as JSON; undefined for an empty body. Throws a BodyError. */
  json(): Promise<unknown>;
}

export function requestBody(request: HttpRequest): RequestBody {
  const bytes = () => readBytes(request);
  return {
    bytes,
    async json() {
      const text = (await bytes()).toString("utf8");
      if (text.trim() === "") return undefined;
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw new BodyError("malformed", "the body is not JSON");
      }
    },
  };
}

/**
 * A caller that sends too much is read to its end, and what it sent is dropped: one that is cut off while it
 * writes never reads our answer. One that sends four times the limit is cut off all the same.
 */
async function readBytes(request: HttpRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
    if (size > 4 * MAX_BODY_BYTES) {
      request.destroy();
      break;
    }
  }
  if (size > MAX_BODY_BYTES) {
    throw new BodyError(
      "too-large",
      `the body is larger than ${MAX_BODY_BYTES} bytes, the most that is read`,
    );
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

// The addresses that vendors call: /callback for the robot of the deployment, /callback/{channel} for a tenant's own.
//
// H1. 200 with errcode 0 goes out only after the message is on disk (R1). Whatever kept it from there is a 503
//     within 2 s, so that the vendor tries again.
// H2. A message that cannot be read is 200 with errcode -1, as the vendor's robots expect: a repetition of it would
//     be no better.
// H3. Who is not admitted cannot make us read a body; nobody can make us read more than 64 KiB.
// H4. Whose channel it is comes from the credential: the same name is another channel for another tenant.

import { ConnectError } from "@connectrpc/connect";
import { MAX_BODY_BYTES } from "@hil/channels/wecom-robot/inbound.ts";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { untilRefused } from "@hil/platform/http/fallback-gate.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { storageUnavailable } from "@hil/platform/storage/storage-unavailable.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { DEPLOYMENT_ROBOT, type InboundChannel, type InboundChannels } from "./channels.ts";
import type { Ingest, IngestOutcome } from "./ingest.ts";
import { admitVendor, type VendorAuthSettings } from "./vendor-auth.ts";

const PATH = /^(?:\/api)?\/callback(?:\/([a-z][a-z0-9-]{0,62}))?$/;
/** Vendors give up after 5 s; what is not on disk by then is better sent again. */
const COMMIT_PATIENCE_MS = 2_000;

export interface VendorHttp {
  /** True for the path (without query) of a vendor's address. */
  matches(path: string): boolean;
  /** Answers a vendor's call. `principal` is one that was verified already, by a key in the path. */
  handle(request: HttpRequest, response: HttpResponse, options?: { principal?: Principal }): Promise<void>;
}

/** Makes the face for vendors. */
export function createVendorHttp({
  ingest,
  channels,
  authenticate,
  settings,
  log,
}: {
  ingest: Ingest;
  channels: InboundChannels;
  authenticate: Authenticate;
  settings: VendorAuthSettings;
  log: Log;
}): VendorHttp {
  return {
    matches: (path) => PATH.test(path),
    async handle(request, response, { principal } = {}) {
      if (request.method !== "POST") {
        answer(response, 405, "only POST is served here", { allow: "POST" });
        return;
      }
      const channelId = PATH.exec((request.url ?? "").split("?", 1)[0]!)?.[1] ?? DEPLOYMENT_ROBOT;
      const admission = await admitVendor({
        headers: request.headers,
        principal,
        channelId,
        authenticate,
        settings,
      });
      if (admission.kind === "refused") {
        // Guessing is slowed down and never locked out: a vendor behind the same proxy would lose replies.
        if (admission.status === 401) await untilRefused(request, credentialInvalid());
        answer(response, admission.status, admission.reason, unread(request));
        return;
      }
      let channel: InboundChannel | undefined;
      try {
        channel = await channels.find(admission.tenantId, channelId);
      } catch (error) {
        log.error({ err: ConnectError.from(error) }, "a vendor's channel could not be looked up");
        answer(response, 503, "this cannot be taken now; send it again", {
          ...unread(request),
          "retry-after": "1",
        });
        return;
      }
      if (!channel) {
        answer(
          response,
          404,
          `the tenant of this credential has no channel ${JSON.stringify(channelId)} that takes messages`,
          unread(request),
        );
        return;
      }
      const body = await readBody(request);
      if (body === "gone") return;
      if (body === "too large") {
        answer(response, 413, `the body is larger than ${MAX_BODY_BYTES} bytes`, unread(request));
        return;
      }
      let outcome: IngestOutcome;
      try {
        outcome = await within(COMMIT_PATIENCE_MS, ingest({ channel, body }));
      } catch (error) {
        log.error(
          { err: ConnectError.from(error) },
          "a vendor's message could not be kept; asked for it again",
        );
        answer(response, 503, "the message could not be kept; send it again", { "retry-after": "1" });
        return;
      }
      if (outcome.kind === "refused") {
        log.warn({ reason: outcome.reason }, "a vendor's message could not be read");
        answer(response, 200, outcome.reason);
        return;
      }
      const { acknowledge } = outcome;
      failpoint("vendor.before_ok");
      response.once("finish", () => {
        failpoint("vendor.after_ok");
        acknowledge();
      });
      answer(response, 200, undefined);
    },
  };
}

/** Writes the vendor's form of an answer: errcode 0, or -1 and what is wrong. */
function answer(
  response: HttpResponse,
  status: number,
  wrong: string | undefined,
  headers: Record<string, string> = {},
): void {
  const body = JSON.stringify(
    wrong === undefined ? { errcode: 0, errmsg: "ok" } : { errcode: -1, errmsg: wrong },
  );
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(body);
}

/** Closes a connection whose request body is left unread, instead of reading on. HTTP/2 has no such header. */
function unread(request: HttpRequest): Record<string, string> {
  return request.httpVersionMajor === 1 ? { connection: "close" } : {};
}

/** Reads a body up to the limit. "gone": the caller went away in the middle. */
async function readBody(request: HttpRequest): Promise<Uint8Array | "too large" | "gone"> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return "too large";
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) {
        chunks.push(chunk);
        return;
      }
      request.pause();
      resolve("too large");
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", () => resolve("gone"));
    request.on("close", () => resolve("gone")); // after "end" this changes nothing
  });
}

/** Rejects where `work` takes longer. The work goes on; what it keeps is told from its repetition by the inbox. */
async function within<T>(patienceMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(storageUnavailable("the commit took too long")), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // it was reported, or comes after the answer went out
  }
}

// What the vendor's answer means. Failures come as HTTP 200 with errcode != 0, so the body decides.

import { z } from "zod";
import type { SendOutcome } from "../channel.ts";

/** A robot that sent too much is let in again after a minute at the earliest. */
const RATE_PAUSE_MS = 60_000;
const MOST_RETRY_AFTER_MS = 3_600_000;

const answerBody = z.object({ errcode: z.number().int(), errmsg: z.string().catch("") });

/** One answer of the vendor, as far as it was read. */
export interface VendorAnswer {
  readonly status: number;
  /** The Retry-After header. */
  readonly retryAfter: string | undefined;
  readonly body: string;
}

export function outcomeOfAnswer(answer: VendorAnswer, now: Date): SendOutcome {
  const { status } = answer;
  if (status === 429 || status >= 500) {
    const retryAfterMs = retryAfterOf(answer.retryAfter, now) ?? (status === 429 ? RATE_PAUSE_MS : undefined);
    return { kind: "retryable", reason: `the vendor answered HTTP ${status}`, retryAfterMs };
  }
  if (status < 200 || status >= 300) {
    return {
      kind: "refused",
      reason: `the address answered HTTP ${status}; check WECOM_API_URL`,
      broken: status === 401 || status === 403,
    };
  }
  const parsed = parse(answer.body);
  // The vendor may have posted the message and lost its answer on the way.
  if (!parsed) return { kind: "unknown", reason: "the vendor's answer could not be read" };
  return outcomeOfCode(parsed.errcode, parsed.errmsg);
}

export function outcomeOfCode(errcode: number, errmsg: string): SendOutcome {
  const said = `errcode ${errcode}${errmsg ? `: ${oneLine(errmsg)}` : ""}`;
  switch (errcode) {
    case 0:
      return { kind: "delivered" };
    case -1:
      return { kind: "retryable", reason: `the vendor is busy (${said})` };
    case 45009:
      return { kind: "retryable", reason: `too many messages (${said})`, retryAfterMs: RATE_PAUSE_MS };
    case 93000:
      // An over-long text has been seen answered with this code too; the key is fine then.
      return /content exceed max length/i.test(errmsg)
        ? { kind: "refused", reason: `the message is too long (${said})`, broken: false }
        : {
            kind: "refused",
            reason: `the robot's key is wrong, or the robot was removed from the group; check BOT_KEY (${said})`,
            broken: true,
          };
    case 93004:
      return { kind: "refused", reason: `the robot is disabled (${said})`, broken: true };
    case 93005:
      return {
        kind: "refused",
        reason: `this person does not take messages of the robot (${said})`,
        broken: false,
      };
    case 93008:
      return {
        kind: "refused",
        reason: `the robot is not in this group; add it there (${said})`,
        broken: false,
      };
    default:
      return { kind: "refused", reason: `the vendor refused the message (${said})`, broken: false };
  }
}

/** Errors of connections that were never made: nothing was sent. */
const NOT_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "ERR_SSL_WRONG_VERSION_NUMBER",
]);

/** What a request that threw means. Names the error by its code only: its text may hold the address with the key. */
export function outcomeOfError(error: unknown): SendOutcome {
  const code = codeOf(error);
  if (code === "ADDRESS_REFUSED") {
    // Its name may lead elsewhere since it was set: what leads where it must not be called is refused like a wrong key.
    return {
      kind: "refused",
      reason: "this deployment does not call that address; change api_url",
      broken: true,
    };
  }
  if (NOT_SENT.has(code)) return { kind: "retryable", reason: `the vendor cannot be reached (${code})` };
  if (/^Proxy response/.test((error as Error | undefined)?.message ?? "")) {
    return {
      kind: "retryable",
      reason: "the HTTP proxy does not let us reach the vendor; check https_proxy and no_proxy",
    };
  }
  return { kind: "unknown", reason: `no answer came back (${code})` };
}

function codeOf(error: unknown): string {
  const { code, name, errors } = (error ?? {}) as { code?: unknown; name?: unknown; errors?: unknown[] };
  if (typeof code === "string") return code;
  if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0]); // one for each address that was tried
  return typeof name === "string" ? name : "error";
}

function parse(body: string): z.infer<typeof answerBody> | undefined {
  try {
    return answerBody.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined; // not JSON, or cut off: what it said is not known
  }
}

function retryAfterOf(header: string | undefined, now: Date): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now.getTime();
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, MOST_RETRY_AFTER_MS) : undefined;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").slice(0, 200);
}

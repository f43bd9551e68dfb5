// One POST to the vendor's webhook.
//
// W1. Two identical bodies are never under way at the same time: the second waits for the first.
// W2. The key is in the address and nowhere else: no outcome, error or log line holds it.
// W3. A call ends within 10 s, and redirects are not followed: they would carry the key elsewhere.

import { createHash } from "node:crypto";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import type { SendOutcome } from "../channel.ts";
import type { WecomRobotConfig } from "./config.ts";
import { outcomeOfAnswer, outcomeOfError } from "./outcome.ts";

const PATIENCE_MS = 10_000;
/** An answer of the vendor is some 30 bytes. */
const MOST_ANSWER_BYTES = 64 * 1024;

export interface WebhookClient {
  /** Posts one body. Never throws. */
  post(body: string, signal: AbortSignal): Promise<SendOutcome>;
  close(): Promise<void>;
}

export function createWebhookClient(
  { apiUrl, botKey, proxy }: Pick<WecomRobotConfig, "apiUrl" | "proxy"> & { readonly botKey: string },
  { now, dispatcher: given }: { now: () => Date; dispatcher?: Dispatcher | undefined },
): WebhookClient {
  const address = `${apiUrl}/cgi-bin/webhook/send?key=${encodeURIComponent(botKey)}`;
  const dispatcher = given ?? createDispatcher(proxy);
  const underWay = new Map<string, Promise<unknown>>();

  const call = async (body: string, signal: AbortSignal): Promise<SendOutcome> => {
    if (signal.aborted) return { kind: "retryable", reason: "stopped before it was sent" };
    try {
      const response = await request(address, {
        method: "POST",
        headers: { "content-type": "application/json; charset=utf-8" },
        body,
        dispatcher,
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      });
      const retryAfter = response.headers["retry-after"];
      return outcomeOfAnswer(
        {
          status: response.statusCode,
          retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
          body: await readText(response.body),
        },
        now(),
      );
    } catch (error) {
      return outcomeOfError(error);
    }
  };

  return {
    async post(body, signal) {
      const name = createHash("sha256").update(body).digest("base64");
      const before = underWay.get(name);
      const sending = (before ?? Promise.resolve()).then(() => call(body, signal));
      underWay.set(name, sending);
      const outcome = await sending;
      if (underWay.get(name) === sending) underWay.delete(name);
      return withoutKey(outcome, botKey);
    },
    close: async () => {
      if (!given) await dispatcher.destroy();
    },
  };
}

function createDispatcher(proxy: WecomRobotConfig["proxy"]): Dispatcher {
  const options = {
    connect: { timeout: PATIENCE_MS },
    headersTimeout: PATIENCE_MS,
    bodyTimeout: PATIENCE_MS,
  };
  if (!proxy) return new Agent(options);
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: proxy.url,
    httpsProxy: proxy.url,
    noProxy: proxy.noProxy,
  });
}

/** Reads at most 64 KiB; what is longer is not an answer of the vendor and is cut off. */
async function readText(body: Dispatcher.ResponseData["body"]): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MOST_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MOST_ANSWER_BYTES).toString("utf8");
}

/** The vendor's words may quote the address. */
function withoutKey(outcome: SendOutcome, key: string): SendOutcome {
  if (outcome.kind === "delivered") return outcome;
  return { ...outcome, reason: outcome.reason.replaceAll(key, "[key]") };
}

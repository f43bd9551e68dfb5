// The server that a client is pointed at to be measured. It has one tool and reaches nothing else.

import { randomInt } from "node:crypto";
import {
  CLIENT_INFO_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import manifest from "../package.json" with { type: "json" };
import { nextStep, REQUEST, type Step, TOOL, type Trial } from "./trial.ts";
import type { TrialLog } from "./trial-log.ts";

const ALIVE_MS = 5_000;
const BEAT_MS = 10_000;
const MOST_CHARACTERS = 200;

export interface MeasuringOptions {
  readonly log: TrialLog;
  readonly way: Trial["way"];
  /** How long calls are held, rising. */
  readonly ladder: readonly number[];
  /** How the client calls itself where its requests do not say. */
  readonly clientName?: string | undefined;
}

export function createMeasuringServer({ log, way, ladder, clientName }: MeasuringOptions): Server {
  const server = new Server(
    { name: "hil-doctor", version: manifest.version },
    { capabilities: { tools: {} } },
  );
  server.setRequestHandler("tools/list", () => ({
    tools: [
      {
        name: TOOL,
        title: "Measure how long a tool may take",
        description: `Holds the call for a while, to find out how long your program waits for a tool. ${REQUEST} A call that fails or times out is part of it.`,
        inputSchema: {
          type: "object" as const,
          properties: {
            receipt: { type: "string", description: "The receipt of the last result, if there was one." },
          },
        },
        annotations: { readOnlyHint: true },
      },
    ],
  }));
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    if (params.name !== TOOL) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no tool ${params.name}`);
    }
    const client = clientOf(server, context) ?? clientName ?? "a client without a name";
    const ofClient = () => log.trials().filter((trial) => trial.client === client && trial.way === way);
    const last = ofClient().at(-1);
    if (last?.end.kind === "answered" && params.arguments?.receipt === last.id) {
      log.write({ kind: "received", id: last.id });
    }
    const hasToken = context.mcpReq._meta?.progressToken !== undefined;
    const step = nextStep(ofClient(), ladder, hasToken);
    if (!step) {
      if (last) log.write({ kind: "done", id: last.id });
      return told({
        status: "done",
        message: "Everything is measured. Tell the person that the results are there.",
      });
    }
    const id = String(randomInt(100_000, 1_000_000));
    log.write({ kind: "held", id, client, way, ...step, hasToken });
    await hold(step, id, context);
    if (context.mcpReq.signal.aborted) {
      log.write({ kind: "given-up", id, why: printable(context.mcpReq.signal.reason) });
      return told({ status: "given-up" });
    }
    log.write({ kind: "answered", id });
    const next = `Call ${TOOL} again with the receipt ${id}.`;
    return told({ status: "again", receipt: id, held_seconds: step.heldS, next });
  });
  return server;

  /** Ends early when the client gives the call up. */
  async function hold({ heldS, withProgress }: Step, id: string, { mcpReq }: ServerContext): Promise<void> {
    const progressToken = mcpReq._meta?.progressToken;
    let progress = 0;
    const beat = () => {
      progress += 1;
      const sent = { progressToken, progress, message: `held, ${progress}` };
      // A client that is gone aborts the signal; there is nobody to tell.
      mcpReq.notify({ method: "notifications/progress", params: sent }).catch(() => {});
    };
    const timers = [setInterval(() => log.write({ kind: "alive", id }), ALIVE_MS)];
    if (withProgress) {
      beat();
      timers.push(setInterval(beat, Math.min(BEAT_MS, (heldS * 1000) / 4)));
    }
    try {
      await new Promise<void>((resolve) => {
        timers.push(setTimeout(resolve, heldS * 1000));
        mcpReq.signal.addEventListener("abort", () => resolve(), { once: true });
      });
    } finally {
      for (const timer of timers) clearInterval(timer);
    }
  }
}

function told(result: Record<string, unknown>) {
  return { content: [{ type: "text" as const, text: JSON.stringify(result) }], structuredContent: result };
}

/** Told with each request since 2026-07-28, and in the handshake before. */
function clientOf(server: Server, { mcpReq }: ServerContext): string | undefined {
  const envelope = mcpReq.envelope as
    | Record<string, { name?: string; version?: string } | undefined>
    | undefined;
  const info = envelope?.[CLIENT_INFO_META_KEY] ?? server.getClientVersion();
  return info?.name && printable([info.name, info.version].filter(Boolean).join(" "));
}

function printable(text: unknown): string {
  return String(text ?? "")
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, " ")
    .slice(0, MOST_CHARACTERS);
}

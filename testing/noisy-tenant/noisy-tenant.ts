// A tenant that calls as hard as it can beside one that asks, waits and answers one question after the other.
//
// One server, three processes. The quiet tenant's turns alone and beside the flood alternate, so that whatever else the
// machine does falls on both sides alike.

import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { startEmbeddedProcess } from "../processes/start-process.ts";
import type { Heard } from "./flood.ts";

const OWNER_KEY = "hil_owner_noisy_0123456789abcdef0123456789abcd";
/** How often the noisy tenant may call. */
export const NOISY_CALLS_PER_SECOND = 50;
const WARM_UP_CYCLES = 200;

const ask = {
  projectName: "quiet",
  body: "go on?",
  interaction: { kind: { case: "text", value: {} } },
} as const;

export interface NoisyTenantFigures {
  /** The quiet tenant's times from asking a question to its waiter having the answer; milliseconds. */
  readonly alone: readonly number[];
  readonly beside: readonly number[];
  /** What the flood heard, by HTTP status. */
  readonly heard: Heard;
  /** Since the noisy tenant's first call. */
  readonly seconds: number;
}

/**
 * Runs the quiet tenant `rounds` times alone and beside the flood, `cycles` questions each. A quiet call that is refused
 * throws.
 */
export async function runNoisyTenant({
  rounds,
  cycles,
}: {
  rounds: number;
  cycles: number;
}): Promise<NoisyTenantFigures> {
  const folder = mkdtempSync(join(tmpdir(), "hil-noisy-"));
  try {
    await using server = await startEmbeddedProcess({
      HIL_DATA_DIR: folder,
      HIL_OWNER_KEY: OWNER_KEY,
      HIL_LOG_LEVEL: "fatal",
    });
    const url = `http://127.0.0.1:${server.port}`;
    const noisyKey = await newTenant(url, "noisy", NOISY_CALLS_PER_SECOND);
    const quiet = createClient(SessionService, as(url, await newTenant(url, "quiet", 0)));
    const start = performance.now();
    const { session } = await createClient(SessionService, as(url, noisyKey)).createSession(ask);
    const flood = fork(join(import.meta.dirname, "flood.ts"), [url, noisyKey, session!.id]);
    try {
      await once(flood, "message");
      await timesOf(quiet, WARM_UP_CYCLES);
      const alone: number[] = [];
      const beside: number[] = [];
      const heard: Heard = {};
      for (let round = 0; round < rounds; round++) {
        alone.push(...(await timesOf(quiet, cycles)));
        flood.send("start");
        beside.push(...(await timesOf(quiet, cycles)));
        flood.send("stop");
        const [counts] = (await once(flood, "message")) as [Heard];
        for (const [what, count] of Object.entries(counts)) heard[what] = (heard[what] ?? 0) + count;
      }
      return { alone, beside, heard, seconds: (performance.now() - start) / 1000 };
    } finally {
      flood.kill("SIGKILL");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Sessions = ReturnType<typeof createClient<typeof SessionService>>;

async function timesOf(sessions: Sessions, cycles: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < cycles; n++) {
    const start = performance.now();
    const { session } = await sessions.createSession(ask);
    const sessionId = session!.id;
    const waiting = sessions.waitSession({ sessionId, untilEnded: true, wait: { seconds: 60n } });
    await sessions.answerSession({
      sessionId,
      requestId: "answer",
      value: { kind: { case: "text", value: { text: "yes" } } },
    });
    await waiting;
    times.push(performance.now() - start);
  }
  return times;
}

async function newTenant(url: string, tenantId: string, callsPerSecond: number): Promise<string> {
  const access = createClient(AccessService, as(url, OWNER_KEY));
  const limits = { callsPerSecond, openSessions: 2_000, openWaits: 500 };
  await access.createTenant({ tenantId, policy: { limits } });
  const { secret } = await access.createApiKey({
    tenantId,
    name: "its agent",
    roles: [Role.AGENT, Role.RESPONDER],
  });
  return secret;
}

function as(url: string, key: string) {
  return createConnectTransport({
    baseUrl: url,
    httpVersion: "2",
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${key}`);
        return next(request);
      },
    ],
  });
}

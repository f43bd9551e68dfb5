// The life of a relay: it attaches, works, and attaches again, for ever. It stops when it is told to, and where going on
// would help nobody: on a credential that is refused, and where it is too old.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createWecomRobotChannel } from "@hil/channels/wecom-robot/wecom-robot-channel.ts";
import type { Welcome } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type AttachmentEnd, attach, type Results } from "./attachment.ts";
import { mostPauseMs, reattachPauseMs, supersededPauseMs } from "./backoff.ts";
import { type RelayState, startCallbackServer } from "./callback-server.ts";
import { createCommandRunner } from "./command-runner.ts";
import type { RelayConfig } from "./config.ts";
import { knock, setProxy } from "./dial.ts";
import { openSpool } from "./spool.ts";
import { version } from "./version.ts";

/** How long a relay of whose name another has the stream must have held it before for that to be no quarrel. */
const PEACE_MS = 10 * 60_000;
/** How long commands under way have to end when the relay stops. */
const COMMANDS_GRACE_MS = 8_000;
/** What is said again and again of the same trouble is said at most so often. */
const SAY_AGAIN_MS = 60_000;

/** Why a relay stopped by itself. */
export interface Stopped {
  readonly kind: "refused" | "unsupported";
  readonly reason: string;
}

export interface Relay {
  /** The port of the callbacks. */
  readonly callbackPort: number;
  readonly state: () => RelayState;
  /** Resolves when the relay has stopped: with why, where nobody told it to. */
  readonly stopped: Promise<Stopped | undefined>;
  /** Ends in good order, within 10 s. */
  stop(): Promise<void>;
}

/** Starts a relay. Throws a ConfigurationError where it cannot. */
export async function startRelay({
  config,
  log,
  now = () => new Date(),
}: {
  config: RelayConfig;
  log: Log;
  now?: () => Date;
}): Promise<Relay> {
  setProxy(config.way);
  const spool = openSpool({ dataDir: config.dataDir, mostBytes: config.mostSpooledBytes, log, now });
  const channels = new Map(
    config.channels.map(({ id, robot }) => [id, createWecomRobotChannel(robot, { id, now })]),
  );
  const runner = createCommandRunner({ channels, spool, log, now });
  const listeners = new Set<() => void>();
  const news = () => {
    for (const listener of listeners) listener();
  };
  let attached: Welcome | undefined;
  let relayName: string | undefined;
  let trouble: string | undefined;
  let refusedChannels: RelayState["refusedChannels"] = new Map();
  const state = (): RelayState => ({
    attached: attached !== undefined,
    relayName,
    reason: trouble,
    refusedChannels,
  });
  const callbacks = await startCallbackServer({
    config: config.callback,
    channels: config.channels.filter(({ robot }) => robot.kind === "callback").map(({ id }) => id),
    spool,
    kept: news,
    state,
    log,
    now,
  }).catch((error: unknown) => {
    spool.close();
    throw error;
  });
  const stopping = new AbortController();
  const results: Results = new Map();
  const instanceId = randomUUID();

  const welcomed = (welcome: Welcome) => {
    attached = welcome;
    ({ relayName } = welcome);
    trouble = undefined;
    refusedChannels = new Map(welcome.refusedChannels.map(({ channelId, reason }) => [channelId, reason]));
    log.info(
      {
        relay: relayName,
        epoch: String(welcome.epoch),
        server: config.way.server.text,
        server_version: welcome.softwareVersion,
        waiting: spool.size,
      },
      "attached",
    );
    for (const { channelId, reason } of welcome.refusedChannels) {
      log.error({ channel_id: channelId, reason }, "the server does not let this relay run a channel");
    }
    if (config.expectedName !== undefined && config.expectedName !== relayName) {
      log.warn({ relay: relayName }, "WORKER_ID is another name than the credential's, which counts");
    }
  };

  let { way } = config;
  const attachOnce = async (): Promise<AttachmentEnd> => {
    way = way.refreshed();
    try {
      return await attach({
        way,
        hello: {
          instanceId,
          softwareVersion: version(),
          channels: [...channels.values()].map(({ id, kind }) => ({ channelId: id, kind })),
        },
        spool,
        runner,
        results,
        onNews(listener) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
        welcomed,
        stop: stopping.signal,
        log,
        now,
      });
    } finally {
      attached = undefined;
    }
  };

  const run = async (): Promise<Stopped | undefined> => {
    const { signal } = stopping;
    const sleep = (ms: number) => pause(ms, undefined, { signal }).catch(() => {});
    let failures = 0;
    let timesSuperseded = 0;
    let awaySinceMs = performance.now();
    let said = { reason: "", atMs: Number.NEGATIVE_INFINITY };
    const complain = (reason: string, words: string) => {
      trouble = reason;
      const nowMs = performance.now();
      if (reason === said.reason && nowMs - said.atMs < SAY_AGAIN_MS) return;
      said = { reason, atMs: nowMs };
      log.warn({ reason, server: config.way.server.text }, words);
    };
    while (!signal.aborted) {
      if (failures > 0 && !(await knock(config.way, signal))) {
        if (signal.aborted) break;
        failures += 1;
        complain("nothing takes connections there", "the server cannot be reached; trying on");
        await sleep(reattachPauseMs(failures, { outageMs: performance.now() - awaySinceMs }));
        continue;
      }
      const beganMs = performance.now();
      const end = await attachOnce();
      if (signal.aborted) break;
      const endedMs = performance.now();
      if (end.isProven) {
        failures = 0;
        awaySinceMs = endedMs;
      }
      switch (end.kind) {
        case "refused":
        case "unsupported":
          return { kind: end.kind, reason: end.reason };
        case "drained":
          log.info({ reason: end.reason }, "the stream ended as agreed; attaching again");
          // A server that ends every stream at once is no reason to call it without a pause.
          if (!end.isProven) failures += 1;
          await sleep(failures === 0 ? 0 : reattachPauseMs(failures, { outageMs: 0 }));
          break;
        case "superseded": {
          timesSuperseded = endedMs - beganMs > PEACE_MS ? 1 : timesSuperseded + 1;
          const pauseMs = supersededPauseMs(timesSuperseded);
          trouble = end.reason;
          log.error(
            { reason: end.reason, pause_s: Math.round(pauseMs / 1000) },
            "this relay was put out by another",
          );
          await sleep(pauseMs);
          awaySinceMs = performance.now();
          break;
        }
        case "broken":
        case "elsewhere":
          failures += 1;
          complain(end.reason, "the server cannot be used; trying again at times");
          await sleep(mostPauseMs(Number.POSITIVE_INFINITY) * (0.5 + Math.random() / 2));
          break;
        case "lost":
          failures += 1;
          complain(
            end.reason,
            end.isProven
              ? "the stream is lost; attaching again"
              : "no stream comes about; trying on, and hil-relay --check looks closer",
          );
          await sleep(reattachPauseMs(failures, { outageMs: endedMs - awaySinceMs }));
          break;
      }
    }
    return undefined;
  };

  const close = async () => {
    await callbacks.close();
    await Promise.race([runner.settled(), pause(COMMANDS_GRACE_MS, undefined, { ref: false })]);
    runner.cut();
    await runner.settled();
    await Promise.all([...channels.values()].map((channel) => channel.close()));
    spool.close();
  };
  const stopped = run().finally(close);
  return {
    callbackPort: callbacks.port,
    state,
    stopped,
    async stop() {
      stopping.abort();
      await stopped;
    },
  };
}

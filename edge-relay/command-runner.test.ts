import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { SendingChannel, SendOutcome } from "@hil/channels/channel.ts";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { SendCommandSchema } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createCommandRunner } from "./command-runner.ts";
import { openSpool } from "./spool.ts";

const { DELIVERED, REFUSED, RETRYABLE, UNKNOWN } = Attempt_Outcome;
const COMMAND = create(SendCommandSchema, {
  commandId: "c-1",
  channelId: "robot",
  message: { case: "text", value: { text: "hello" } },
});
const OPTIONS = { clockAheadMs: 0 };
/** What the vendor says, and what the server hears of it. */
const SAID: readonly (readonly [SendOutcome, Attempt_Outcome])[] = [
  [{ kind: "delivered" }, DELIVERED],
  [{ kind: "retryable", reason: "busy" }, RETRYABLE],
  [{ kind: "refused", reason: "no", broken: false }, REFUSED],
  [{ kind: "unknown", reason: "cut" }, UNKNOWN],
];

/** What happens to a command: the server asks for it so many times at once, or the relay dies in between. */
const event = fc.oneof(
  fc.record({
    kind: fc.constant("asked" as const),
    times: fc.integer({ min: 1, max: 3 }),
    vendor: fc.constantFrom(...SAID),
  }),
  fc.record({ kind: fc.constant("killed" as const) }),
  fc.record({ kind: fc.constant("restarted" as const) }),
);

test("C1: whatever happens, each time that a command is asked for is answered, and it is sent once for it until it ended for good", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 10 }), async (events) => {
      const dataDir = mkdtempSync(join(tmpdir(), "hil-relay-runner-"));
      let calls = 0;
      let send: () => Promise<SendOutcome>;
      const channel = {
        line: () => "line",
        turnMs: () => 0,
        async send() {
          calls += 1;
          return send();
        },
      } as unknown as SendingChannel;
      const now = () => new Date();
      const start = () => {
        const spool = openSpool({ dataDir, mostBytes: 1_000_000, log: silentLog, now });
        const channels = new Map([["robot", channel]]);
        return { spool, runner: createCommandRunner({ channels, spool, log: silentLog, now }) };
      };
      let relay = start();
      let good: Attempt_Outcome | undefined;
      try {
        for (const happened of events) {
          const before = calls;
          if (happened.kind === "restarted") {
            relay.spool.close();
            relay = start();
            continue;
          }
          if (happened.kind === "killed") {
            const hung = Promise.withResolvers<SendOutcome>();
            const called = Promise.withResolvers<void>();
            send = () => {
              called.resolve();
              return hung.promise;
            };
            const cut = relay.runner.take(COMMAND, OPTIONS);
            await Promise.race([cut, called.promise]);
            relay.spool.close();
            hung.resolve({ kind: "unknown", reason: "killed" });
            await cut;
            relay = start();
            continue;
          }
          const [said, heard] = happened.vendor;
          send = async () => said;
          const ends = await Promise.all(
            Array.from({ length: happened.times }, () => relay.runner.take(COMMAND, OPTIONS)),
          );
          const outcomes = new Set(ends.map(({ outcome }) => outcome));
          expect(outcomes.size).toBe(1);
          const [outcome] = outcomes;
          expect(calls - before).toBe(good === undefined ? 1 : 0);
          expect(outcome).toBe(good ?? heard);
          if (outcome === DELIVERED || outcome === REFUSED) good = outcome;
        }
      } finally {
        relay.spool.close();
        rmSync(dataDir, { recursive: true });
      }
    }),
    { numRuns: 25 },
  );
});

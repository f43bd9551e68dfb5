import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { sessionsOf } from "./askers.ts";
import { startEmbeddedDeployment } from "./embedded-deployment.ts";
import { run } from "./run.ts";
import { fillDisk, mountSmallDisk } from "./small-disk.ts";

const MEGABYTES = 48;
const RUN_PATIENCE_MS = 180_000;

test(
  "F9: while the disk is full writes are refused with RESOURCE_EXHAUSTED and reads go on; with room they are taken again",
  async () => {
    using disk = mountSmallDisk({ megabytes: MEGABYTES });
    await using deployment = await startEmbeddedDeployment({}, { folder: disk.folder });
    const { pid } = deployment.server;
    const sessions = sessionsOf(deployment);
    const ask = (requestId: string) =>
      sessions.createSession({
        requestId,
        body: "x".repeat(8_000),
        interaction: { kind: { case: "text", value: {} } },
      });
    const sessionId = (await ask("before")).session!.id;
    disk.fill();
    // The database may still have room of its own.
    const refused = async () => {
      for (let count = 0; ; count++) {
        try {
          await ask(`full-${count}`);
        } catch (error) {
          return ConnectError.from(error).code;
        }
      }
    };
    expect(Code[await refused()]).toBe(Code[Code.ResourceExhausted]);
    expect((await sessions.getSession({ sessionId })).session!.id).toBe(sessionId);
    disk.free();
    await expect
      .poll(async () => (await ask("after").catch(() => undefined))?.session, { timeout: 10_000 })
      .toBeDefined();
    expect(deployment.server.pid).toBe(pid);
  },
  RUN_PATIENCE_MS,
);

test(
  "F9, I1–I8: a disk that is full now and then loses, doubles and ends twice nothing",
  async () => {
    using disk = mountSmallDisk({ megabytes: MEGABYTES });
    const report = await run({
      deploy: (environment) => startEmbeddedDeployment(environment, { folder: disk.folder }),
      trouble: fillDisk(disk, { times: 3, fullMs: 2_000 }),
      agents: 8,
      seed: 9,
    });
    expect(report.violations).toEqual([]);
    expect(report.asked).toBeGreaterThan(0);
  },
  RUN_PATIENCE_MS,
);

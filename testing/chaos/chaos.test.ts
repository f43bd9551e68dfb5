import { expect, test } from "vitest";
import { startDistributedDeployment } from "./distributed-deployment.ts";
import { startEmbeddedDeployment } from "./embedded-deployment.ts";
import { torment } from "./nemesis.ts";
import { run } from "./run.ts";

const RUN_PATIENCE_MS = 600_000;

test(
  "F1, F4, I1–I8: the embedded form loses, doubles and ends twice nothing while it is killed 6 times",
  async () => {
    const report = await run({
      deploy: startEmbeddedDeployment,
      trouble: torment({ kills: 6, wipes: 0 }),
      agents: 8,
      seed: 4,
    });
    expect(report.violations).toEqual([]);
    expect(report.asked).toBeGreaterThan(0);
  },
  RUN_PATIENCE_MS,
);

test(
  "F1, F4, F6, F12, F15, I1–I8: the distributed form loses, doubles and ends twice nothing while any process, PostgreSQL and NATS are killed 6 times and their networks go bad",
  async () => {
    const report = await run({
      deploy: startDistributedDeployment,
      trouble: torment({ kills: 6, wipes: 2 }),
      agents: 8,
      seed: 4,
    });
    expect(report.violations).toEqual([]);
    expect(report.asked).toBeGreaterThan(0);
  },
  RUN_PATIENCE_MS,
);

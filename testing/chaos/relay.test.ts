import { expect, test } from "vitest";
import { startRelayDeployment } from "./relay-deployment.ts";
import { dieBetween } from "./relay-failpoints.ts";
import { run } from "./run.ts";

test("I9, F1, F2: a relay and its server that die at every place between them lose, double and end twice nothing", async () => {
  const report = await run({
    deploy: startRelayDeployment,
    trouble: dieBetween({ kills: 13 }),
    agents: 8,
    seed: 1,
  });
  expect(report.violations).toEqual([]);
}, 300_000);

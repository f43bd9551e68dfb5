import { expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

test("I6: a tenant with much to do takes turns with one that has little", () => {
  const queue = new FairQueue<{ tenantId: string; number: number }>();
  for (let number = 1; number <= 4; number += 1) queue.push({ tenantId: "noisy", number });
  for (let number = 1; number <= 2; number += 1) queue.push({ tenantId: "quiet", number });
  const order: string[] = [];
  for (let item = queue.shift(); item; item = queue.shift()) {
    order.push(`${item.tenantId} ${item.number}`);
    if (order.length === 3) queue.push({ tenantId: "late", number: 1 });
  }
  expect(order).toEqual(["noisy 1", "quiet 1", "noisy 2", "quiet 2", "noisy 3", "late 1", "noisy 4"]);
  expect(queue.isEmpty).toBe(true);
});

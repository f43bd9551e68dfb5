import { expect, test } from "vitest";
import { createTenantGroups } from "./tenant-groups.ts";

test("commands of a tenant go together, and never with another's", async () => {
  const groups: [string, number[]][] = [];
  const { run } = createTenantGroups<number, string>({
    async runAll(tenantId, commands) {
      groups.push([tenantId, [...commands]]);
      await new Promise((resolve) => setImmediate(resolve));
      if (commands.includes(13)) throw new Error("bad command");
      return commands.map((each) => `${tenantId}${each}`);
    },
    isOfDatabase: () => false,
    most: 100,
  });
  const first = await Promise.all([run("a", 1), run("b", 2), run("a", 3)]);
  expect(first).toEqual(["a1", "b2", "a3"]);
  expect(groups).toEqual([
    ["a", [1, 3]],
    ["b", [2]],
  ]);
  const second = await Promise.allSettled([run("a", 13), run("b", 5), run("a", 6)]);
  expect(second.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
});

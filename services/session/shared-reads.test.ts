import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { sharedReads } from "./shared-reads.ts";

const session = (id: string) => ({ id }) as Session;

test("I7: reads that are asked for at one moment are one, which begins after all of them; later ones read anew", async () => {
  let reads = 0;
  const shared = sharedReads(async (tenantId, id) => session(`${tenantId} ${id} ${++reads}`));
  const first = [shared("a", "1"), shared("a", "1"), shared("b", "1")];
  expect(reads).toBe(0);
  const [one, same, other] = await Promise.all(first);
  expect(same).toBe(one);
  expect([one!.id, other!.id].sort()).toEqual(["a 1 1", "b 1 2"]);
  expect((await shared("a", "1"))!.id).toBe("a 1 3");
});

test("a read that fails fails for those that asked for it, and for nobody after", async () => {
  let isAway = true;
  const shared = sharedReads(async (_, id) => {
    if (isAway) throw new Error("away");
    return session(id);
  });
  await expect(Promise.all([shared("a", "1"), shared("a", "1")])).rejects.toThrow("away");
  isAway = false;
  expect(await shared("a", "1")).toEqual(session("1"));
});

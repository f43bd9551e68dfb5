import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { expect, test } from "vitest";
import { reasonOf } from "../errors/hil-error.ts";
import { createGroup } from "./group.ts";

const start = (most = 100, maxPending?: number) => {
  const groups: number[][] = [];
  let database = true;
  const group = createGroup<number, string>({
    async runAll(commands) {
      groups.push([...commands]);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (!database) throw new Error("database");
      if (commands.includes(13)) throw new Error("bad command");
      return commands.map(String);
    },
    isOfDatabase: (error) => error instanceof Error && error.message === "database",
    most,
    ...(maxPending !== undefined && { maxPending }),
  });
  return {
    group,
    groups,
    lose: () => {
      database = false;
    },
  };
};

test("commands of one turn go together, and those that come meanwhile make up the next group", async () => {
  const { group, groups } = start();
  const first = [group.run(1), group.run(2)];
  await new Promise((resolve) => setTimeout(resolve, 2));
  const next = [group.run(3), group.run(4)];
  expect(await Promise.all([...first, ...next])).toEqual(["1", "2", "3", "4"]);
  expect(groups).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

test("a bad command harms no other of its group", async () => {
  const { group } = start();
  const results = await Promise.allSettled([group.run(1), group.run(13), group.run(2)]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("where the database failed nothing is run again", async () => {
  const { group, groups, lose } = start();
  lose();
  const results = await Promise.allSettled([group.run(1), group.run(2)]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(groups).toHaveLength(1);
});

test("a group is no larger than it may be", async () => {
  const { group, groups } = start(2);
  await Promise.all([1, 2, 3, 4, 5].map((each) => group.run(each)));
  expect(groups.map((each) => each.length)).toEqual([2, 2, 1]);
});

test("what is too much is refused before it is begun, and there is room again when the rest is done", async () => {
  const { group, groups } = start(100, 3);
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map((each) => group.run(each)));
  expect(results.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  expect(reasonOf((results[3] as PromiseRejectedResult).reason)).toBe(ErrorReason.OVERLOADED);
  expect(groups).toEqual([[1, 2, 3]]);
  expect(await group.run(6)).toBe("6");
});

import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { adapterCommand } from "./testing/adapter-process.ts";
import { agentKey } from "./testing/agent-keys.ts";
import { type HilProcess, startHil } from "./testing/hil-process.ts";
import { type ModernCall, modernOverHttp, modernOverStdio, TASKS } from "./testing/modern-messages.ts";

let hil: HilProcess;
beforeAll(async () => {
  hil = await startHil();
});
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
});

/** A line to HIL over each transport; `again` is one that knows nothing of the first: another process, over stdio. */
const transports = {
  HTTP: (key: string) => ({
    call: modernOverHttp(hil.url, key),
    again: async () => ({ call: modernOverHttp(hil.url, key), async [Symbol.asyncDispose]() {} }),
    async [Symbol.asyncDispose]() {},
  }),
  stdio(key: string) {
    const start = () => modernOverStdio(adapterCommand(hil, { HIL_API_KEY: key }));
    const first = start();
    return {
      call: first.call,
      async again() {
        await first.kill();
        return start();
      },
      [Symbol.asyncDispose]: first.kill,
    };
  },
};

const ask = (call: ModernCall, message: string, options = {}) =>
  call("tools/call", { name: "send_and_wait_reply", arguments: { message } }, options);

describe.each(["HTTP", "stdio"] as const)("over %s", (transport) => {
  test("a client that knows tasks gets one at once, follows it, and reads the answer in it", async () => {
    await using agent = transports[transport](hil.key());
    const message = `A task? (${transport})`;
    const { result: created } = await ask(agent.call, message);
    const session = await hil.asked(message);
    expect(created).toMatchObject({
      resultType: "task",
      taskId: session.id,
      status: "working",
      statusMessage: expect.stringContaining(session.id),
      ttlMs: expect.any(Number),
      pollIntervalMs: 2000,
    });
    expect(created).not.toHaveProperty("structuredContent");
    const { taskId } = created!;
    expect((await agent.call("tasks/get", { taskId })).result).toMatchObject({ taskId, status: "working" });
    expect((await agent.call("tasks/update", { taskId, inputResponses: { a: 1 } })).error).toBeUndefined();
    await hil.answer(message, "a task it is");
    const { result: ended } = await agent.call("tasks/get", { taskId });
    expect(ended).toMatchObject({
      status: "completed",
      result: {
        isError: false,
        structuredContent: { status: "success", replies: [{ content: "a task it is", untrusted: true }] },
      },
    });
    await vi.waitUntil(async () => (await hil.asked(message)).takenTime !== undefined, 10_000);
  });

  test("a task outlives the process that made it", async () => {
    await using agent = transports[transport](hil.key());
    const message = `Durable? (${transport})`;
    const { taskId } = (await ask(agent.call, message)).result!;
    await using later = await agent.again();
    await hil.answer(message, "kept");
    expect((await later.call("tasks/get", { taskId })).result).toMatchObject({
      status: "completed",
      result: { structuredContent: { replies: [{ content: "kept" }] } },
    });
  });

  test("the same words ask once: a client that lost its task gets the same one", async () => {
    await using agent = transports[transport](hil.key());
    const message = `Twice a task? (${transport})`;
    const first = (await ask(agent.call, message)).result!;
    const second = (await ask(agent.call, message)).result!;
    expect(second).toMatchObject({
      taskId: first.taskId,
      statusMessage: expect.stringContaining("not asked again"),
    });
    const waited = await agent.call("tools/call", {
      name: "wait_for_reply",
      arguments: { session_id: first.taskId },
    });
    expect(waited.result).toMatchObject({ resultType: "task", taskId: first.taskId });
    await hil.answer(message, "once");
    expect((await ask(agent.call, message)).result).toMatchObject({
      resultType: "complete",
      structuredContent: { status: "success" },
    });
  });

  test("tasks/cancel takes the question back, and does so once", async () => {
    await using agent = transports[transport](hil.key());
    const message = `Cancelled task? (${transport})`;
    const { taskId } = (await ask(agent.call, message)).result!;
    for (let times = 0; times < 2; times += 1) {
      const { result } = await agent.call("tasks/cancel", { taskId });
      expect(Object.keys(result!).sort()).toEqual(["_meta", "resultType"]);
    }
    expect((await hil.asked(message)).state).toBe(Session_State.CANCELLED);
    expect((await agent.call("tasks/get", { taskId })).result).toMatchObject({ status: "cancelled" });
  });

  test("B1: a task is its principal's: for another there is none of this name", async () => {
    const [mine, theirs] = await Promise.all([agentKey(hil, "mine"), agentKey(hil, "theirs")]);
    await using one = transports[transport](mine.secret);
    await using other = transports[transport](theirs.secret);
    const { taskId } = (await ask(one.call, `Whose task? (${transport})`)).result!;
    for (const [method, params] of [
      ["tasks/get", {}],
      ["tasks/update", { inputResponses: {} }],
      ["tasks/cancel", {}],
    ] as const) {
      for (const id of [taskId!, "no-uuid", "01a217be-f9f1-70f4-9c4c-b73948475495"]) {
        const { error } = await other.call(method, { ...params, taskId: id });
        expect(error, `${method} ${id}`).toMatchObject({ code: -32602 });
      }
    }
    expect((await one.call("tasks/get", { taskId })).result).toMatchObject({ status: "working" });
  });

  test("a client that does not declare tasks gets none, and may ask about none", async () => {
    await using agent = transports[transport](hil.key());
    const { result: discovered } = await agent.call("server/discover", {}, { tasks: false });
    expect(discovered!.capabilities).toMatchObject({ extensions: { [TASKS]: {} } });
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      const { error } = await agent.call(method, { taskId: "t", inputResponses: {} }, { tasks: false });
      expect(error, method).toMatchObject({
        code: -32021,
        data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
      });
    }
    const message = `No task? (${transport})`;
    const asking = ask(agent.call, message, { tasks: false });
    await hil.answer(message, "waited for");
    expect((await asking).result).toMatchObject({
      resultType: "complete",
      structuredContent: { status: "success" },
    });
  });
});

test("over HTTP a task of another principal stays hidden even from an owner's key, who may read its session", async () => {
  const agent = await agentKey(hil, "agent of the owner");
  const { taskId } = (await ask(modernOverHttp(hil.url, agent.secret), "Seen by the owner?")).result!;
  const { error } = await modernOverHttp(hil.url, hil.key())("tasks/get", { taskId });
  expect(error).toMatchObject({ code: -32602 });
});

test("F30: a question that could not be asked is an error and no task", async () => {
  const call = modernOverHttp(hil.url, hil.key());
  const first = await call("tools/call", {
    name: "send_and_wait_reply",
    arguments: { message: "Named", request_id: "task-reused" },
  });
  expect(first.result).toMatchObject({ resultType: "task" });
  const other = await call("tools/call", {
    name: "send_and_wait_reply",
    arguments: { message: "Other words", request_id: "task-reused" },
  });
  expect(other.result).toMatchObject({ resultType: "complete", isError: true });
});

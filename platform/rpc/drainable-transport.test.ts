import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { CreateSessionRequest, WaitSessionRequest } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { beforeEach, expect, test, vi } from "vitest";
import { reasonOf } from "../errors/hil-error.ts";
import { drainableTransport } from "./drainable-transport.ts";

let drain: AbortController;
let waits: WaitSessionRequest[];
let created: CreateSessionRequest[];
let sessions: Client<typeof SessionService>;

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(new ConnectError("gone", Code.Canceled))),
  );

beforeEach(() => {
  drain = new AbortController();
  waits = [];
  created = [];
  const transport = createRouterTransport(({ service }) => {
    service(SessionService, {
      async waitSession(request, { signal }) {
        waits.push(request);
        if (request.wait) await untilAborted(signal);
        return { session: { id: request.sessionId, version: 7n } };
      },
      async createSession(request, { signal }) {
        created.push(request);
        if (request.wait) await untilAborted(signal);
        return { session: { id: "made" } };
      },
      async *watchSessions(_request, { signal }) {
        yield { cursor: 1n };
        await untilAborted(signal);
      },
    });
  });
  sessions = createClient(SessionService, drainableTransport(transport, drain.signal));
});

test("G1: a wait that is under way ends as if its time were over", async () => {
  const waiting = sessions.waitSession({ sessionId: "s", untilEnded: true, wait: { seconds: 600n } });
  await vi.waitUntil(() => waits.length === 1);
  drain.abort();
  expect((await waiting).session).toMatchObject({ id: "s", version: 7n });
  expect(waits[1]).toMatchObject({ sessionId: "s", untilEnded: true });
  expect(waits[1]?.wait).toBeUndefined();
});

test("G1: a wait that comes while the process drains ends at once", async () => {
  drain.abort();
  expect((await sessions.waitSession({ sessionId: "s", wait: { seconds: 600n } })).session?.id).toBe("s");
  expect(waits).toHaveLength(1);
});

test("G1: ask-and-wait is asked again by its request id only", async () => {
  const named = sessions.createSession({ requestId: "r", body: "b", wait: { seconds: 600n } });
  await vi.waitUntil(() => created.length === 1);
  const nameless = sessions.createSession({ body: "b", wait: { seconds: 600n } }, { timeoutMs: 500 });
  await vi.waitUntil(() => created.length === 2);
  drain.abort();
  expect((await named).session?.id).toBe("made");
  await expect(nameless).rejects.toThrow(); // its own time is over: it was neither cut nor made twice
  expect(created.map(({ requestId }) => requestId)).toEqual(["r", "", "r"]);
});

test("a caller that goes away is not called for again", async () => {
  const caller = new AbortController();
  const waiting = sessions.waitSession(
    { sessionId: "s", wait: { seconds: 600n } },
    { signal: caller.signal },
  );
  await vi.waitUntil(() => waits.length === 1);
  caller.abort();
  await expect(waiting).rejects.toThrow();
  expect(waits).toHaveLength(1);
});

test("G2: a stream ends with NOT_READY, and none begins", async () => {
  const seen: bigint[] = [];
  const read = async () => {
    for await (const { cursor } of sessions.watchSessions({})) seen.push(cursor);
  };
  const reading = read();
  reading.catch(() => {}); // looked at below
  await vi.waitUntil(() => seen.length === 1);
  drain.abort();
  expect(reasonOf(await reading.catch((error: unknown) => error))).toBe(ErrorReason.NOT_READY);
  expect(reasonOf(await read().catch((error: unknown) => error))).toBe(ErrorReason.NOT_READY);
});

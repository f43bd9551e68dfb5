import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ServerProcess, startEmbeddedProcess } from "./processes/start-process.ts";

const ownerKey = "hil_owner_test_0123456789abcdef0123456789";
let dataDir: string;
let server: ServerProcess;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-kill-"));
  server = await startEmbeddedProcess({ HIL_DATA_DIR: dataDir, HIL_OWNER_KEY: ownerKey });
});

afterEach(async () => {
  await server.kill();
  rmSync(dataDir, { recursive: true, force: true });
});

/** kill -9, then the same command on the same folder and port. */
async function killAndRestart(): Promise<void> {
  await server.kill("SIGKILL");
  server = await startEmbeddedProcess({
    HIL_DATA_DIR: dataDir,
    HIL_OWNER_KEY: ownerKey,
    HIL_PORT: String(server.port),
  });
}

function connect(): Client<typeof SessionService> {
  const transport = createConnectTransport({
    httpVersion: "2",
    baseUrl: `http://127.0.0.1:${server.port}`,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${ownerKey}`);
        return next(request);
      },
    ],
  });
  return createClient(SessionService, transport);
}

/** Calls again while the server is away, as every waiter does. */
async function persist<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const failure = ConnectError.from(error);
      if (!isTransient(failure) && failure.code !== Code.Canceled && failure.code !== Code.Internal)
        throw failure;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const ask = (client: Client<typeof SessionService>, n: number) =>
  client.createSession({
    requestId: `ask-${n}`,
    body: `question ${n}`,
    interaction: { kind: { case: "text", value: {} } },
  });

const textOf = (session: Session | undefined) =>
  session?.answer?.value?.kind.case === "text" ? session.answer.value.kind.value.text : undefined;

const answer = (client: Client<typeof SessionService>, sessionId: string, n: number) =>
  client.answerSession({
    sessionId,
    requestId: `answer-${n}`,
    value: { kind: { case: "text", value: { text: `answer ${n}` } } },
  });

test("I1, I7: with 1,000 waiting, kill -9 loses nothing, and every waiter that comes back gets its own answer", async () => {
  const client = connect();
  const sessions = await Promise.all(Array.from({ length: 1_000 }, (_, n) => ask(client, n)));
  const ids = sessions.map(({ session }) => session!.id);
  const waiters = ids.map((sessionId) =>
    persist(async () => {
      const { session } = await client.waitSession({ sessionId, untilEnded: true, wait: { seconds: 60n } });
      if (session!.state === Session_State.OPEN) throw new ConnectError("still open", Code.Unavailable);
      return session;
    }),
  );
  await killAndRestart();
  let open = 0;
  for (let pageToken = ""; ; ) {
    const filter = { states: [Session_State.OPEN] };
    const page = await persist(() => client.listSessions({ pageSize: 200, pageToken, filter }));
    open += page.sessions.length;
    pageToken = page.nextPageToken;
    if (!pageToken) break;
  }
  expect(open).toBe(1_000);
  await Promise.all(ids.map((id, n) => persist(() => answer(client, id, n))));
  const answered = await Promise.all(waiters);
  expect(answered.map(textOf)).toEqual(ids.map((_, n) => `answer ${n}`));
}, 120_000);

test("I1, I8: what was acknowledged before a kill -9 is there after it, and retries double nothing", async () => {
  const client = connect();
  const acknowledged = new Map<number, string>();
  let stop = false;
  let next = 0;
  const worker = async () => {
    while (!stop) {
      const n = next++;
      const { session } = await persist(() => ask(client, n));
      await persist(() => answer(client, session!.id, n));
      acknowledged.set(n, session!.id);
    }
  };
  const workers = Array.from({ length: 16 }, worker);
  for (let kills = 0; kills < 3; kills++) {
    const before = acknowledged.size;
    await expect.poll(() => acknowledged.size, { timeout: 30_000 }).toBeGreaterThan(before + 100);
    await killAndRestart();
  }
  stop = true;
  await Promise.all(workers);
  const read = await Promise.all(
    [...acknowledged].map(async ([n, id]) => {
      const { session } = await persist(() => client.getSession({ sessionId: id }));
      return { n, text: textOf(session), replies: session!.replies.length, body: session!.body };
    }),
  );
  expect(read.filter((each) => each.text !== `answer ${each.n}` || each.replies !== 1)).toEqual([]);
  expect(new Set(read.map((each) => each.body)).size).toBe(read.length);
}, 120_000);

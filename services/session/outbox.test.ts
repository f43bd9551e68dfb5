import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type Event, Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { shortId, uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startOutbox } from "./outbox.ts";
import type { SessionStore } from "./session-store.ts";
import { openSqliteSessionStore } from "./session-store-sqlite.ts";

let dataDir: string;
let store: SessionStore;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-outbox-"));
  store = openSqliteSessionStore({ dataDir, vault: openVault({ dataDir, environment: {} }), log: silentLog });
});
afterEach(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

let made = 0;
const put = async () => {
  const session = create(SessionSchema, {
    id: uuidV7(Date.now()),
    shortId: shortId(),
    tenantId: "t1",
    body: String(++made),
    state: Session_State.OPEN,
    version: 1n,
    updateTime: { seconds: 1n },
  });
  await store.create({ session, request: undefined, attachments: [] });
  return session.id;
};
const start = (take: (events: readonly Event[]) => Promise<void>) =>
  startOutbox({ store, log: silentLog, consumer: { line: "bus", take } });

test("O3: what a consumer fails to take is handed over again until it does, in order", async () => {
  const taken: string[] = [];
  let failures = 3;
  const outbox = await start(async (events) => {
    if (failures-- > 0) throw new Error("not now");
    taken.push(...events.map((event) => event.sessionId));
  });
  const ids = [await put(), await put(), await put()];
  await vi.waitUntil(() => taken.length === 3);
  expect(taken).toEqual(ids);
  await outbox.close();
});

test("O2: a consumer that starts again goes on after what it took", async () => {
  const taken: string[] = [];
  const take = async (events: readonly Event[]) => {
    taken.push(...events.map((event) => event.sessionId));
  };
  const first = await start(take);
  const one = await put();
  await vi.waitUntil(() => taken.length === 1);
  await first.close();
  const two = await put();
  const second = await start(take);
  await vi.waitUntil(() => taken.length === 2);
  await second.close();
  expect(taken).toEqual([one, two]);
});

test("closing does not wait for a consumer that never takes", async () => {
  const tried = vi.fn();
  const outbox = await start(async () => {
    tried();
    throw new Error("never");
  });
  await put();
  await vi.waitUntil(() => tried.mock.calls.length > 4);
  await outbox.close();
});

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Identity_Kind,
  IdentitySchema,
  Member_State,
  MemberSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessStoreContract } from "./access-store.contract.ts";
import type { AccessStore } from "./access-store.ts";
import { openPostgresAccessStore } from "./access-store-postgres.ts";

let server: PostgresServer;
let url = "";
let databases = 0;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
const open = () => openPostgresAccessStore({ url, auditKey: new Uint8Array(32).fill(1), log: silentLog });

accessStoreContract({
  async open() {
    url = await server.createDatabase(`access${++databases}`);
    return open();
  },
  async reopen(store) {
    await store.close();
    return open();
  },
  async dispose() {},
});

describe("two replicas on one database", () => {
  const START_MS = Date.parse("2026-11-20T10:00:00Z");
  const entry = (action: string) => ({
    tenantId: "_default",
    principalId: "owner",
    action,
    resource: "thing",
    time: new Date(START_MS),
  });
  const bytes = (text: string) => new TextEncoder().encode(text.padEnd(32, "."));
  const grant = (name: string, memberId = "") => ({
    hash: bytes(name),
    tenantId: "_default",
    memberId,
    expireTimeMs: START_MS + 60_000,
  });
  const member = (value: string) =>
    create(MemberSchema, {
      id: uuidV7(START_MS),
      tenantId: "_default",
      name: "Ann",
      identities: [{ kind: Identity_Kind.EMAIL, value }],
      state: Member_State.ACTIVE,
      createTime: timestampFromMs(START_MS),
      updateTime: timestampFromMs(START_MS),
    });
  const onReplicas = async (work: (replicas: readonly [AccessStore, AccessStore]) => Promise<void>) => {
    url = await server.createDatabase(`access${++databases}`);
    const replicas = [await open(), await open()] as const;
    await work(replicas);
    for (const replica of replicas) await replica.close();
  };

  test("D3: of 20 tries at the same token or code one works", () =>
    onReplicas(async (replicas) => {
      const store = replicas[0];
      const ann = member("ann@example.com");
      await store.insertMember(ann, entry("x"));
      await store.insertSignInToken(grant("token"), entry("x"));
      await store.insertLinkCode(grant("code", ann.id), entry("x"));
      const identity = create(IdentitySchema, { kind: Identity_Kind.WECOM_USER, value: "ann" });
      const tries = Array.from({ length: 20 }, (_, index) => replicas[index % 2]!);
      const sessions = await Promise.all(
        tries.map((replica, index) =>
          replica.redeemSignInToken(
            {
              hash: bytes("token"),
              sessionHash: bytes(`session ${index}`),
              sessionExpireTimeMs: START_MS + 60_000,
              nowMs: START_MS,
            },
            () => entry("started"),
          ),
        ),
      );
      expect(sessions.filter((session) => session !== undefined)).toHaveLength(1);
      const linked = await Promise.all(
        tries.map((replica) =>
          replica.redeemLinkCode({ hash: bytes("code"), tenantIds: [], identity, nowMs: START_MS }, () =>
            entry("linked"),
          ),
        ),
      );
      expect(linked.filter(({ kind }) => kind === "stored")).toHaveLength(1);
      const actions = (await store.audit.list("_default", {}, 100)).map(({ action }) => action);
      expect(actions.filter((action) => action === "started" || action === "linked")).toHaveLength(2);
    }));

  test("an identity that several take at the same time is one member's, and nobody is half there", () =>
    onReplicas(async (replicas) => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          replicas[index % 2]!.insertMember(member("ann@example.com"), entry("member.created")),
        ),
      );
      expect(outcomes.filter(({ kind }) => kind === "stored")).toHaveLength(1);
      expect(outcomes.filter(({ kind }) => kind === "identity-taken")).toHaveLength(19);
      expect(await replicas[1].listMembers({ tenantId: "_default", afterId: "", limit: 50 })).toHaveLength(1);
      expect(await replicas[1].audit.list("_default", {}, 100)).toHaveLength(1);
    }));

  test("changes of one tenant on both are made one after the other", () =>
    onReplicas(async (replicas) => {
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          replicas[index % 2]!.changeTenant("_default", (before) => ({
            after: { ...before, version: before.version + 1n },
            audit: entry("tenant.updated"),
          })),
        ),
      );
      expect((await replicas[0].getTenant("_default"))?.version).toBe(41n);
    }));

  test("what PostgreSQL has no text for is kept as near as it can be", () =>
    onReplicas(async ([store]) => {
      const odd = { ...member("odd@example.com"), name: "A\0nn \ud800" };
      expect((await store.insertMember(odd, entry("x"))).kind).toBe("stored");
      expect((await store.getMember(odd))?.name).toBe("A\uFFFDnn \uFFFD");
    }));
});

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { create } from "@bufbuild/protobuf";
import { Reply_Disposition } from "@hil/gen/hil/session/v1/session_pb.ts";
import { CreateSessionRequestSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { expect, test, vi } from "vitest";
import { contentDigest } from "./new-session.ts";
import { startSessionService, type TestSessions } from "./testing/start-session-service.ts";

const CANARY = "canary-of-the-sensitive-session";
const text = { kind: { case: "text" as const, value: {} } };
const audience = { targets: [{ channelId: "wecom-robot", chatId: "c1" }] };
const picture = png(20, 10);
const reply = (sessionId: string, inboundId: string, words: string) => ({
  sessionId,
  inboundId,
  channelId: "wecom-robot",
  chatId: "c1",
  sender: { userId: "zhang", name: `${CANARY} sender` },
  text: words,
  vendorMessage: JSON.stringify({ text: words }),
});

/** A sensitive session with everything that people can write into one; answered, and with a late reply. */
async function live(sessions: TestSessions, sensitive: boolean) {
  const { session } = await sessions.owner.createSession({
    requestId: "r",
    title: `${CANARY} title`,
    body: `${CANARY} body`,
    context: [{ key: `${CANARY} key`, value: `${CANARY} value` }],
    clientName: `${CANARY} client`,
    interaction: text,
    audience,
    projectName: "searchable-project",
    labels: { searchable: "label" },
    correlationId: "searchable-run",
    attachments: [{ name: `${CANARY}.png`, data: picture }],
    sensitive,
  });
  const { id } = session!;
  await sessions.service.submitReply(reply(id, "in1", `${CANARY} answer`));
  const late = await sessions.service.submitReply(reply(id, "in2", `${CANARY} late`));
  expect(late.disposition).toBe(Reply_Disposition.LATE);
  expect(late.guidance).toContain(CANARY);
  return { id, guidance: late.guidance };
}

const onDisk = (sessions: TestSessions) =>
  Buffer.concat(
    readdirSync(sessions.dataDir)
      .filter((name) => name.startsWith("session.db"))
      .map((name) => readFileSync(join(sessions.dataDir, name))),
  );

test("what people wrote in a sensitive session is nowhere in the files, and is read back as it was", async () => {
  await using sessions = await startSessionService();
  const { id, guidance } = await live(sessions, true);
  expect(readdirSync(sessions.dataDir)).toContain("session.db-wal");
  for (const state of ["while it runs", "after a restart"]) {
    const bytes = onDisk(sessions);
    expect(bytes.includes(CANARY), state).toBe(false);
    expect(bytes.includes(picture), state).toBe(false);
    expect(bytes.includes("searchable-project"), state).toBe(true);
    const { session } = await sessions.owner.getSession({ sessionId: id });
    expect(session).toMatchObject({
      sensitive: true,
      body: `${CANARY} body`,
      answer: { value: { kind: { value: { text: `${CANARY} answer` } } } },
    });
    expect(Buffer.from((await sessions.owner.getAttachment({ sessionId: id, number: 1 })).data)).toEqual(
      picture,
    );
    expect((await sessions.service.submitReply(reply(id, "in2", "again"))).guidance).toBe(guidance);
    for (const filter of [
      { projectName: "searchable-project" },
      { correlationId: "searchable-run" },
      { label: { key: "searchable", value: "label" } },
      { shortId: session!.shortId },
    ]) {
      expect((await sessions.owner.listSessions({ filter })).sessions.map((each) => each.body)).toEqual([
        `${CANARY} body`,
      ]);
    }
    await sessions.restart();
  }
});

test("what a repeated request of a sensitive session is recognised by is no digest that anybody can try out", async () => {
  await using sessions = await startSessionService();
  const ask = { requestId: "r", body: "Deploy?", interaction: text };
  const digestOf = (id: string) => {
    const db = new DatabaseSync(join(sessions.dataDir, "session.db"), { readOnly: true });
    const row = db.prepare("SELECT hex(request_digest) AS digest FROM session WHERE id = ?").get(id);
    db.close();
    return row!.digest as string;
  };
  const plainDigest = (sensitive: boolean) =>
    Buffer.from(contentDigest(create(CreateSessionRequestSchema, { ...ask, sensitive })))
      .toString("hex")
      .toUpperCase();
  const open = (await sessions.agent("a").createSession(ask)).session!;
  expect(digestOf(open.id)).toBe(plainDigest(false));
  const kept = (await sessions.agent("b").createSession({ ...ask, sensitive: true })).session!;
  expect(digestOf(kept.id)).not.toBe(plainDigest(true));
  await sessions.restart();
  const again = await sessions.agent("b").createSession({ ...ask, sensitive: true });
  expect(again.session!.id).toBe(kept.id);
});

test("the words of other sessions are in the files: the search above can fail", async () => {
  await using sessions = await startSessionService();
  await live(sessions, false);
  expect(onDisk(sessions).includes(CANARY)).toBe(true);
  expect(onDisk(sessions).includes(picture)).toBe(true);
});

test("a new master key wraps everything anew, after which the old one is not needed", async () => {
  await using sessions = await startSessionService();
  const [before, after] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
  await sessions.restart({ HIL_MASTER_KEY: before });
  const { id, guidance } = await live(sessions, true);
  const wrappedWith = () => {
    const db = new DatabaseSync(join(sessions.dataDir, "session.db"), { readOnly: true });
    const prefixes = [
      "SELECT hex(substr(resource, 1, 9)) AS prefix FROM session",
      "SELECT hex(substr(data, 1, 9)) AS prefix FROM attachment",
      "SELECT hex(substr(guidance, 1, 9)) AS prefix FROM submitted_reply WHERE typeof(guidance) = 'blob'",
    ].flatMap((sql) =>
      db
        .prepare(sql)
        .all()
        .map((row) => row.prefix as string),
    );
    db.close();
    return prefixes;
  };
  const old = wrappedWith();
  expect(old).toHaveLength(3);
  expect(new Set(old).size).toBe(1);
  await sessions.restart({ HIL_MASTER_KEY: `${after},${before}` });
  await vi.waitUntil(() => !wrappedWith().includes(old[0]!));
  await sessions.restart({ HIL_MASTER_KEY: after });
  expect((await sessions.owner.getSession({ sessionId: id })).session!.body).toBe(`${CANARY} body`);
  expect(Buffer.from((await sessions.owner.getAttachment({ sessionId: id, number: 1 })).data)).toEqual(
    picture,
  );
  expect((await sessions.service.submitReply(reply(id, "in2", "again"))).guidance).toBe(guidance);
});

test("a sealed session that is moved to another row is not opened there", async () => {
  await using sessions = await startSessionService();
  const one = await live(sessions, true);
  const { session } = await sessions.owner.createSession({
    body: "other",
    interaction: text,
    sensitive: true,
  });
  await sessions.restart();
  const db = new DatabaseSync(join(sessions.dataDir, "session.db"));
  db.prepare("UPDATE session SET resource = (SELECT resource FROM session WHERE id = ?) WHERE id = ?").run(
    one.id,
    session!.id,
  );
  db.close();
  await expect(sessions.owner.getSession({ sessionId: session!.id })).rejects.toThrow();
  expect((await sessions.owner.getSession({ sessionId: one.id })).session!.body).toBe(`${CANARY} body`);
});

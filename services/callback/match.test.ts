import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  ReplyMatching,
  type Session,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchPlain, matchTagged, wasSentTo } from "./match.ts";

const time = new Date("2026-11-20T10:00:00Z");
const here = { channelId: "wecom-robot", chatId: "here", channelTenantId: undefined };
const own = { channelId: "team-robot", chatId: "here", channelTenantId: "t1" };
const message = { text: "yes", receiveTime: time };
const none = { kind: "none" } as const;
const tagged = (shortId: string) => ({ kind: "one", shortId, text: "yes" }) as const;

interface Given {
  id?: string;
  tenantId?: string;
  shortId?: string;
  chats?: string[];
  channelId?: string;
  state?: Session_State;
  replyMatching?: ReplyMatching;
  notice?: boolean;
  createTime?: Date;
}

function session({
  id = "s1",
  tenantId = "t1",
  shortId = "aaaaaaaa",
  chats = ["here"],
  channelId = "wecom-robot",
  state = Session_State.OPEN,
  replyMatching = ReplyMatching.PLAIN,
  notice = false,
  createTime = new Date(time.getTime() - 60_000),
}: Given = {}): Session {
  return create(SessionSchema, {
    id,
    tenantId,
    shortId,
    state,
    createTime: timestampFromDate(createTime),
    interaction: { kind: notice ? { case: "notice", value: {} } : { case: "text", value: {} } },
    audience: { targets: chats.map((chatId) => ({ channelId, chatId })), replyMatching },
  });
}

describe("a message with a tag", () => {
  test("answers the session that its chat was asked", () => {
    expect(matchTagged(tagged("aaaaaaaa"), [session()], here)).toEqual({
      kind: "session",
      tenantId: "t1",
      sessionId: "s1",
      text: "yes",
    });
  });

  test("is refused where the session was sent to another chat or channel (I18)", () => {
    for (const given of [{ chats: ["there"] }, { channelId: "console" }, { chats: [] }]) {
      expect(matchTagged(tagged("aaaaaaaa"), [session(given)], here)).toEqual({
        kind: "unknownTag",
        shortId: "aaaaaaaa",
      });
    }
  });

  test("learns nothing of a session that its chat was not asked: there is none, as where there really is none (I6)", () => {
    expect(matchTagged(tagged("aaaaaaaa"), [], here)).toEqual({ kind: "unknownTag", shortId: "aaaaaaaa" });
  });

  test("goes to an ended session, to be kept there as late", () => {
    const ended = session({ state: Session_State.ANSWERED });
    expect(matchTagged(tagged("aaaaaaaa"), [ended], here)).toMatchObject({
      kind: "session",
      sessionId: "s1",
    });
  });

  test("answers a notice and a session that takes quoted replies only", () => {
    for (const given of [{ notice: true }, { replyMatching: ReplyMatching.QUOTED }]) {
      expect(matchTagged(tagged("aaaaaaaa"), [session(given)], here).kind).toBe("session");
    }
  });
});

describe("a message without a tag", () => {
  test("answers the only session that waits in its chat", () => {
    expect(matchPlain(message, none, [session()], here)).toEqual({
      kind: "session",
      tenantId: "t1",
      sessionId: "s1",
      text: "yes",
    });
  });

  test("answers a session whose target names no channel", () => {
    expect(matchPlain(message, none, [session({ channelId: "" })], here).kind).toBe("session");
  });

  test("answers nothing where nothing waits", () => {
    expect(matchPlain(message, none, [], here)).toEqual({ kind: "unmatched" });
  });

  test.each([
    ["a notice", { notice: true }],
    ["a session for quoted replies", { replyMatching: ReplyMatching.QUOTED }],
    ["a session nobody has waited for yet", { replyMatching: ReplyMatching.QUOTED_UNTIL_WAITED }],
  ])("is neither taken nor made ambiguous by %s", (_, given) => {
    const quotedOnly = session({ id: "s2", shortId: "bbbbbbbb", ...given });
    expect(matchPlain(message, none, [quotedOnly], here)).toEqual({ kind: "unmatched" });
    expect(matchPlain(message, none, [quotedOnly, session()], here)).toMatchObject({ sessionId: "s1" });
  });

  test("answers no question that was asked after it", () => {
    const later = session({ createTime: new Date(time.getTime() + 60_000) });
    expect(matchPlain(message, none, [later], here)).toEqual({ kind: "unmatched" });
  });

  test("that quotes a list is asked back even where one of it still waits", () => {
    expect(matchPlain(message, { kind: "several" }, [session()], here).kind).toBe("ambiguous");
  });
});

describe("tenants that share a chat", () => {
  const ours = session({ id: "s1", tenantId: "t1" });
  const theirs = session({ id: "s2", tenantId: "t2", shortId: "bbbbbbbb" });

  test("a plain message is for neither, and neither is named (I6)", () => {
    expect(matchPlain(message, none, [ours, theirs], here)).toEqual({ kind: "severalTenants" });
    expect(matchPlain(message, { kind: "several" }, [ours, theirs], here)).toEqual({
      kind: "severalTenants",
    });
  });

  test("a quoted one goes to the tenant whose question it quotes", () => {
    for (const { tenantId, id: sessionId, shortId } of [ours, theirs]) {
      expect(matchTagged(tagged(shortId), [ours, theirs], here)).toEqual({
        kind: "session",
        tenantId,
        sessionId,
        text: "yes",
      });
    }
  });

  test("a tag that two of them have is guessed at by nobody", () => {
    const same = session({ id: "s3", tenantId: "t2" });
    expect(matchTagged(tagged("aaaaaaaa"), [ours, same], here)).toEqual({ kind: "severalTenants" });
    const ended = session({ id: "s3", tenantId: "t2", state: Session_State.ANSWERED });
    expect(matchTagged(tagged("aaaaaaaa"), [ours, ended], here)).toMatchObject({ sessionId: "s1" });
  });

  test("several of one of them are listed to it, the newest first", () => {
    const newer = session({ id: "s9", tenantId: "t1" });
    expect(matchPlain(message, none, [ours, newer], here)).toEqual({
      kind: "ambiguous",
      tenantId: "t1",
      candidates: [newer, ours],
    });
  });

  test("a channel of one tenant answers that tenant's questions alone, also where another has one of the same name", () => {
    const onOwn = session({ id: "s4", tenantId: "t1", channelId: "team-robot" });
    const foreign = session({ id: "s5", tenantId: "t2", channelId: "team-robot", shortId: "bbbbbbbb" });
    const unnamed = session({ id: "s6", tenantId: "t1", channelId: "" });
    expect(matchPlain(message, none, [onOwn, foreign, unnamed], own)).toMatchObject({ sessionId: "s4" });
    expect(matchTagged(tagged("bbbbbbbb"), [foreign], own).kind).toBe("unknownTag");
    expect(matchPlain(message, none, [foreign], own)).toEqual({ kind: "unmatched" });
  });
});

describe("for all sessions", () => {
  const anySession = fc
    .record({
      tenantId: fc.constantFrom("t1", "t2"),
      shortId: fc.constantFrom("aaaaaaaa", "bbbbbbbb"),
      chats: fc.subarray(["here", "there", "elsewhere"]),
      channelId: fc.constantFrom("wecom-robot", "console", ""),
      state: fc.constantFrom(Session_State.OPEN, Session_State.ANSWERED, Session_State.EXPIRED),
      replyMatching: fc.constantFrom(
        ReplyMatching.UNSPECIFIED,
        ReplyMatching.PLAIN,
        ReplyMatching.QUOTED,
        ReplyMatching.QUOTED_UNTIL_WAITED,
      ),
      notice: fc.boolean(),
    })
    .map((given) => given);
  const sessions = fc
    .array(anySession, { maxLength: 6 })
    .map((all) => all.map((given, index) => session({ ...given, id: `s${index}` })));

  test("no message answers a session of another chat (I18)", () => {
    fc.assert(
      fc.property(sessions, fc.constantFrom("aaaaaaaa", "bbbbbbbb"), (all, shortId) => {
        for (const match of [matchTagged(tagged(shortId), all, here), matchPlain(message, none, all, here)]) {
          if (match.kind !== "session") continue;
          expect(wasSentTo(all.find((each) => each.id === match.sessionId)!, here)).toBe(true);
        }
      }),
    );
  });

  test("a tag answers its own session or none", () => {
    fc.assert(
      fc.property(sessions, (all) => {
        const match = matchTagged(tagged("aaaaaaaa"), all, here);
        if (match.kind !== "session") return;
        expect(all.find((each) => each.id === match.sessionId)!.shortId).toBe("aaaaaaaa");
      }),
    );
  });

  test("candidates are named only where all are of one tenant (I6)", () => {
    fc.assert(
      fc.property(sessions, (all) => {
        const match = matchPlain(message, none, all, here);
        if (match.kind !== "ambiguous") return;
        expect(new Set(match.candidates.map((each) => each.tenantId))).toEqual(new Set([match.tenantId]));
      }),
    );
  });

  test("with two that may be meant nothing is guessed", () => {
    fc.assert(
      fc.property(sessions, (all) => {
        const two = [session({ id: "p1" }), ...all, session({ id: "p2" })];
        expect(["ambiguous", "severalTenants"]).toContain(matchPlain(message, none, two, here).kind);
      }),
    );
  });
});

import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Receipt, ReceiptSchema } from "@hil/gen/hil/session/v1/receipt_pb.ts";
import {
  type AnswerValue,
  AnswerValueSchema,
  ConfirmationInteractionSchema,
  DeliverySummary_State,
  ResponderSchema,
  type Session,
  Session_Outcome,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { openSigningKey, type SigningKey } from "@hil/platform/signing/signing-key.ts";
import { RECEIPT_TYP, verifyReceipt } from "@hil/platform/signing/verify-receipt.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createReceipt } from "./receipt.ts";
import { answerSession, cancelSession, expireSession, questionDigest } from "./session.ts";

const asked = new Date("2026-11-20T10:00:00.123Z");
const answered = new Date("2026-11-20T10:05:00.456Z");

let dataDir: string;
let signingKey: SigningKey;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-receipt-"));
  signingKey = openSigningKey({ dataDir });
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function openSession(defaultAnswer?: AnswerValue): Session {
  return create(SessionSchema, {
    id: "018f0000-0000-7000-8000-000000000001",
    shortId: "abcd1234",
    tenantId: "acme",
    projectName: "shop",
    title: "Deploy?",
    body: "Deploy **1.2** to *prod*? 部署吗?",
    interaction: {
      kind: { case: "confirmation", value: { options: [{ value: "yes" }, { value: "no", refuses: true }] } },
    },
    context: [{ key: "diff", value: "+1 -1" }],
    labels: { secret: "not part of the question" },
    deliveries: [
      {
        deliveryId: "d1",
        state: DeliverySummary_State.SENT,
        target: { channelId: "wecom-robot", chatId: "c1" },
      },
    ],
    asker: { principalId: "key:ci" },
    state: 1,
    version: 1n,
    createTime: timestampFromDate(asked),
    updateTime: timestampFromDate(asked),
    defaultAnswer,
  });
}

function answeredSession(value: "yes" | "no" = "yes"): Session {
  return answerSession(openSession(), {
    submission: {
      id: "in1",
      channelId: "wecom-robot",
      chat: { chatId: "c1", chatType: 1 },
      sender: create(ResponderSchema, { userId: "zhang", name: "张三", memberId: "m1" }),
      text: value,
      imageUrls: [],
      receivedAt: answered,
      vendorMessage: "",
    },
    value: create(AnswerValueSchema, { kind: { case: "confirmation", value: { value } } }),
    note: "looks good",
    now: answered,
  }).session;
}

/** A receipt that the deployment itself signed, though it is not what createReceipt would state. */
function signed(change: (receipt: Receipt) => void): string {
  const { receipt } = createReceipt(answeredSession(), signingKey);
  change(receipt);
  return signingKey.signJws(Buffer.from(toJsonString(ReceiptSchema, receipt)), RECEIPT_TYP);
}

test("a receipt says what was asked, what was answered, by whom, where and when, and nothing else of the session", () => {
  const session = answeredSession();
  const { receipt, jws } = createReceipt(session, signingKey);
  expect(verifyReceipt(jws, signingKey.publicJwks)).toEqual({
    kind: "valid",
    receipt,
    jwk: signingKey.publicJwk,
  });
  expect(receipt).toMatchObject({
    format: 1,
    deploymentId: signingKey.deploymentId,
    sessionId: session.id,
    shortId: "abcd1234",
    tenantId: "acme",
    askerId: "key:ci",
    createTime: timestampFromDate(asked),
    questionDigest: questionDigest(session),
    outcome: Session_Outcome.ANSWERED,
    question: { projectName: "shop", title: "Deploy?", body: session.body, context: [{ key: "diff" }] },
    answer: {
      value: { kind: { case: "confirmation", value: { value: "yes" } } },
      note: "looks good",
      responder: { userId: "zhang", name: "张三", memberId: "m1" },
      channelId: "wecom-robot",
      inboundId: "in1",
      answerTime: timestampFromDate(answered),
    },
    deliveries: [{ deliveryId: "d1", state: DeliverySummary_State.SENT }],
  });
  expect(toJsonString(ReceiptSchema, receipt)).not.toContain("not part of the question");
});

test("need 15: a stranger verifies a receipt with node:crypto, the public key and the contract alone", () => {
  const { jws, publicJwk } = createReceipt(answeredSession("no"), signingKey);
  const [head, payload, signature] = jws.split(".");
  const jwk = JSON.parse(publicJwk);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  expect(verify(null, Buffer.from(`${head}.${payload}`), key, Buffer.from(signature!, "base64url"))).toBe(
    true,
  );
  expect(JSON.parse(Buffer.from(head!, "base64url").toString())).toEqual({
    alg: "EdDSA",
    kid: jwk.kid,
    typ: "hil-receipt+jws",
  });
  const text = Buffer.from(payload!, "base64url").toString("utf8");
  expect(JSON.parse(text)).toMatchObject({
    outcome: "OUTCOME_REJECTED",
    answer: { value: { confirmation: { value: "no" } }, answerTime: "2026-11-20T10:05:00.456Z" },
  });
  const { question, questionDigest: digest } = fromJsonString(ReceiptSchema, text);
  expect(createHash("sha256").update(toBinary(SessionSchema, question!)).digest("hex")).toBe(digest);
});

test("every change of one byte of a receipt is refused, and every byte put in or taken out", () => {
  const { jws } = createReceipt(answeredSession(), signingKey);
  const accepted: string[] = [];
  const refuse = (changed: string) => {
    if (changed === jws) throw new Error("this is no change");
    if (verifyReceipt(changed, signingKey.publicJwks).kind === "valid") accepted.push(changed);
  };
  for (let at = 0; at < jws.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = String.fromCharCode(jws.charCodeAt(at) ^ (1 << bit));
      refuse(jws.slice(0, at) + changed + jws.slice(at + 1));
    }
    refuse(jws.slice(0, at) + jws.slice(at + 1));
    refuse(`${jws.slice(0, at)}A${jws.slice(at)}`);
  }
  // The last character of each part has bits that stand for nothing.
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n";
  const ends = [jws.indexOf(".") - 1, jws.lastIndexOf(".") - 1, jws.length - 1];
  for (const at of ends) {
    for (const character of alphabet) {
      if (character !== jws[at]) refuse(jws.slice(0, at) + character + jws.slice(at + 1));
      refuse(jws.slice(0, at + 1) + character + jws.slice(at + 1));
    }
  }
  expect(accepted).toEqual([]);
});

test("a receipt that another deployment signed is refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "hil-receipt-"));
  const other = openSigningKey({ dataDir: folder });
  rmSync(folder, { recursive: true });
  const { jws } = createReceipt(answeredSession(), other);
  expect(verifyReceipt(jws, signingKey.publicJwks)).toMatchObject({ kind: "invalid" });
});

test.each<[string, (receipt: Receipt) => void]>([
  ["another text", (receipt) => (receipt.question!.body = "Deploy 1.1?")],
  [
    "another option",
    (receipt) =>
      (receipt.question!.interaction!.kind = {
        case: "confirmation",
        value: create(ConfirmationInteractionSchema),
      }),
  ],
  ["another digest", (receipt) => (receipt.questionDigest = "0".repeat(64))],
  ["no digest", (receipt) => (receipt.questionDigest = "")],
  ["an answer to another question", (receipt) => (receipt.answer!.evidence!.questionDigest = "0".repeat(64))],
  ["an answer of another kind", (receipt) => (receipt.answer!.value!.kind = { case: undefined })],
  ["another outcome", (receipt) => (receipt.outcome = Session_Outcome.REJECTED)],
  ["an outcome that no person decided", (receipt) => (receipt.outcome = Session_Outcome.EXPIRED)],
  ["no answer", (receipt) => (receipt.answer = undefined)],
  ["no time", (receipt) => (receipt.answer!.answerTime = undefined)],
  ["no question", (receipt) => (receipt.question = undefined)],
  ["another form", (receipt) => (receipt.format = 2)],
])("a signed receipt with %s is refused", (_, change) => {
  expect(
    verifyReceipt(
      signed(() => {}),
      signingKey.publicJwks,
    ).kind,
  ).toBe("valid");
  expect(verifyReceipt(signed(change), signingKey.publicJwks)).toMatchObject({ kind: "invalid" });
});

test("a session that no person answered has no receipt", () => {
  const { id } = openSession();
  const defaultAnswer = create(AnswerValueSchema, {
    kind: { case: "confirmation", value: { value: "yes" } },
  });
  for (const session of [
    openSession(),
    expireSession(openSession(defaultAnswer), answered)!,
    cancelSession(openSession(), "", answered)!,
  ]) {
    try {
      createReceipt(session, signingKey);
      expect.unreachable();
    } catch (error) {
      expect(reasonOf(error)).toBe(ErrorReason.NO_ANSWER);
      expect(String(error)).toContain(id);
    }
  }
});

test("nothing is signed for a session whose question was changed after the answer", () => {
  expect(() => createReceipt({ ...answeredSession(), body: "Deploy 1.1?" }, signingKey)).toThrow(
    "nothing is signed",
  );
});

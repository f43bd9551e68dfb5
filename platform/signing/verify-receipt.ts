// Verifies a decision receipt with public keys alone: no server, no database.

import { createHash } from "node:crypto";
import { create, fromJsonString, toBinary } from "@bufbuild/protobuf";
import { type Receipt, ReceiptSchema } from "@hil/gen/hil/session/v1/receipt_pb.ts";
import { type Session, Session_Outcome, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type PublicJwk, type PublicJwks, verifyCompact } from "./jws.ts";

/** The kind of statement that a receipt is. */
export const RECEIPT_TYP = "hil-receipt+jws";
/** The form of receipts that is written and read here. */
export const RECEIPT_FORMAT = 1;

export type ReceiptReading =
  | {
      readonly kind: "valid";
      readonly receipt: Receipt;
      /** The key that it is signed with. */
      readonly jwk: PublicJwk;
    }
  | { readonly kind: "invalid"; readonly problem: string };

/**
 * Verifies a receipt: its signature by one of the keys, and that it agrees with itself. The keys are what the reader
 * trusts: one key of the deployment, or the set from /.well-known/hil-keys.json. `jws` stands alone, without line break.
 */
export function verifyReceipt(jws: string, publicJwks: PublicJwks): ReceiptReading {
  const reading = verifyCompact(jws, publicJwks, RECEIPT_TYP);
  if (reading.kind === "invalid") return reading;
  let receipt: Receipt;
  try {
    receipt = fromJsonString(ReceiptSchema, Buffer.from(reading.payload).toString("utf8"), {
      ignoreUnknownFields: true,
    });
  } catch {
    return { kind: "invalid", problem: "it is signed, but not a receipt" };
  }
  const problem = problemOf(receipt);
  return problem === undefined ? { kind: "valid", receipt, jwk: reading.jwk } : { kind: "invalid", problem };
}

/** A question with only what people had before them: what Evidence.question_digest covers. */
export function questionOf(session: Session): Session {
  const { projectName, title, body, interaction, defaultAnswer, context } = session;
  const question = create(SessionSchema);
  return Object.assign(question, { projectName, title, body, interaction, defaultAnswer, context });
}

/** SHA-256 of a question, as Evidence.question_digest lays down: 64 hex digits. */
export function digestOfQuestion(question: Session): string {
  return createHash("sha256")
    .update(toBinary(SessionSchema, questionOf(question)))
    .digest("hex");
}

/** In what a receipt contradicts itself. Undefined where it does not. */
function problemOf(receipt: Receipt): string | undefined {
  const { format, question, questionDigest, answer, outcome, createTime } = receipt;
  if (format !== RECEIPT_FORMAT) return `its form is ${format}; this version reads form ${RECEIPT_FORMAT}`;
  if (!receipt.sessionId || !question?.interaction || !answer?.value || !answer.answerTime || !createTime) {
    return "it does not say what was asked, what was answered, or when";
  }
  if (digestOfQuestion(question) !== questionDigest)
    return "its question is not the one that its digest names";
  if (answer.evidence?.questionDigest !== questionDigest) return "it was answered to another question";
  if (!fits(question.interaction.kind.case, answer.value.kind.case)) {
    return "its answer is of another kind than its question";
  }
  if (outcome !== (refuses(question, receipt) ? Session_Outcome.REJECTED : Session_Outcome.ANSWERED)) {
    return "its outcome does not follow from its answer";
  }
  return undefined;
}

function fits(asked: string | undefined, answered: string | undefined): boolean {
  return answered !== undefined && answered === (asked === "notice" ? "text" : asked);
}

function refuses(question: Session, { answer }: Receipt): boolean {
  const asked = question.interaction?.kind;
  const given = answer?.value?.kind;
  if (asked?.case !== "confirmation" && asked?.case !== "selection") return false;
  const values =
    given?.case === "confirmation"
      ? [given.value.value]
      : given?.case === "selection"
        ? given.value.values
        : [];
  return asked.value.options.some((option) => option.refuses && values.includes(option.value));
}

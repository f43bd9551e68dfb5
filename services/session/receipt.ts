import { create, toJsonString } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Receipt, ReceiptSchema } from "@hil/gen/hil/session/v1/receipt_pb.ts";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { SigningKey } from "@hil/platform/signing/signing-key.ts";
import {
  digestOfQuestion,
  questionOf,
  RECEIPT_FORMAT,
  RECEIPT_TYP,
} from "@hil/platform/signing/verify-receipt.ts";
import { stateName } from "./session.ts";

/** A decision as a signed statement: the fields of GetReceiptResponse. */
export interface SignedReceipt {
  readonly receipt: Receipt;
  /** JWS in compact form over the receipt in ProtoJSON. */
  readonly jws: string;
  /** The key that verifies it, as JSON. */
  readonly publicJwk: string;
}

/**
 * States what was decided on a session that a person answered, in plain text: for those who may read the session.
 * Throws NO_ANSWER for any other, and an error of ours for a session whose question is not the one that was answered.
 */
export function createReceipt(session: Session, signingKey: SigningKey): SignedReceipt {
  const { answer } = session;
  if (session.state !== Session_State.ANSWERED || !answer) throw noAnswer(session);
  const questionDigest = digestOfQuestion(session);
  if (answer.evidence?.questionDigest !== questionDigest) {
    throw new Error(`session ${session.id} was answered to another question than it has; nothing is signed`);
  }
  const receipt = create(ReceiptSchema, {
    format: RECEIPT_FORMAT,
    deploymentId: signingKey.deploymentId,
    sessionId: session.id,
    shortId: session.shortId,
    tenantId: session.tenantId,
    askerId: session.asker?.principalId ?? "",
    createTime: session.createTime,
    question: questionOf(session),
    questionDigest,
    outcome: session.outcome,
    answer,
    deliveries: session.deliveries,
  });
  const payload = Buffer.from(toJsonString(ReceiptSchema, receipt));
  return {
    receipt,
    jws: signingKey.signJws(payload, RECEIPT_TYP),
    publicJwk: JSON.stringify(signingKey.publicJwk),
  };
}

function noAnswer({ id, state }: Session) {
  const name = stateName(state);
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.NO_ANSWER,
    `session ${id} is ${name}; there is a receipt for a session that a person answered`,
    { session_id: id, state: name },
  );
}

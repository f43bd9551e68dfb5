// What is asked, and how the same question is recognised when a client asks it again.
//
// Q1. A call with a request_id is that ask, over every retry, restart and replica.
// Q2. A call without one joins the ask with the same content that is still open, or whose answer came in the
//     last 10 minutes and was not taken: the client gave the first call up and the model calls again. Any
//     other ask is over, and the same words ask anew: yesterday's "yes" decides nothing today.
// Q3. Two calls that find no such ask at the same moment make up the same request_id, so that one asks.

import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { CreateSessionRequestSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Image } from "./images.ts";
import type { InteractionInit } from "./interactions.ts";

/** The label that carries a question's digest. */
export const DIGEST_LABEL = "hil-mcp/digest";

export interface Question {
  readonly message: string;
  readonly interaction: InteractionInit;
  /** What helps to decide, by name. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Empty: the console only. */
  readonly chatId: string;
  readonly projectName: string;
  readonly images: readonly Image[];
  /** Vendor user ids, "@all" for all. */
  readonly mentions: readonly string[];
  /** Seconds; 0 for no deadline, undefined for the server's own. */
  readonly timeoutS: number | undefined;
  /** The deadline to ask with where the tenant does not allow `timeoutS`, in an object because it may be undefined. */
  readonly instead?: { readonly timeoutS: number | undefined };
  /** clientInfo.name. */
  readonly clientName: string | undefined;
}

/**
 * What makes two questions the same. The caller's origin counts, so that two agents of one user who ask "Continue?" for
 * two projects never share an answer.
 */
export function digestOf(question: Question, origin: string): string {
  const { message, chatId, projectName, images, interaction, facts = {} } = question;
  const pictures = images.map(({ data }) => createHash("sha256").update(data).digest("hex"));
  const { case: kind, value } = interaction.kind!;
  const more = kind === "text" ? [] : [kind, value, Object.entries(facts)];
  return createHash("sha256")
    .update(JSON.stringify([message, chatId, projectName, pictures, origin, ...more]))
    .digest("hex");
}

/** How long after an answer a repeated question still means it. */
const RETRY_WINDOW_MS = 10 * 60_000;

/** True where a repeated question means this ask (Q2). `previous` is the newest with the same digest. */
export function isToJoin({ state, takenTime, endTime }: Session, now: Date): boolean {
  if (state === Session_State.OPEN) return true;
  if (state !== Session_State.ANSWERED || takenTime !== undefined || endTime === undefined) return false;
  return now.getTime() - timestampDate(endTime).getTime() <= RETRY_WINDOW_MS;
}

/** The request_id for a question that came without one (Q3). It changes with every ask that is over. */
export function mintRequestId(digest: string, previous: Session | undefined, now: Date): string {
  // The day, because the first ask is forgotten before its request_id is.
  return `hil-mcp:${digest.slice(0, 32)}:${previous?.id ?? now.toISOString().slice(0, 10)}`;
}

/** The request that asks a question, or tells something where the interaction is a notice. */
export function requestFor(
  question: Question,
  { requestId, digest }: { requestId: string; digest?: string },
): MessageInitShape<typeof CreateSessionRequestSchema> {
  const { message, chatId, projectName, images, mentions, timeoutS, clientName, interaction, facts } =
    question;
  return {
    requestId,
    projectName: fitProjectName(projectName),
    body: message,
    interaction,
    audience: chatId ? { targets: [{ chatId }], mentions: [...mentions] } : undefined,
    timeout: timeoutS ? durationFromMs(timeoutS * 1000) : undefined,
    withoutDeadline: timeoutS === 0,
    clientName: clientName?.slice(0, 200),
    labels: digest ? { [DIGEST_LABEL]: digest } : {},
    context: Object.entries(facts ?? {}).map(([key, value]) => ({ key, value })),
    attachments: images.map(({ name, data }) => ({ name, data })),
  };
}

/** A name that fits the tag "[#short_id project]". Earlier clients could pass anything. */
function fitProjectName(name: string): string {
  return name
    .replace(/[\r\n]+/g, " ")
    .replaceAll("]", ")")
    .slice(0, 100);
}

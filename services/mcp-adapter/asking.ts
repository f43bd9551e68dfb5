// Asks a question, or finds the ask that it repeats. The rules are in question.ts.

import type { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { DIGEST_LABEL, digestOf, isToJoin, mintRequestId, type Question, requestFor } from "./question.ts";
import { type RpcOptions, type Tried, tryShortly, tryUntil, UNREACHED_MS } from "./retrying.ts";
import type { SessionClient } from "./session-client.ts";
import { held, type Slice } from "./waiting.ts";

/** The session that a question became. */
export interface Asked {
  readonly session: Session;
  /** It was asked by an earlier call with the same content. */
  readonly isJoined: boolean;
}

/** How to ask. */
export interface Asking {
  readonly requestId: string | undefined;
  /** That of the caller, for a question without a request id. */
  readonly origin: string;
  /** Whether to wait for the end in the same RPC, as long as the slice lasts. */
  readonly waits: boolean;
}

/** Asks, or finds what was asked before. The session may still be open afterwards. */
export async function ask(
  client: SessionClient,
  question: Question,
  asking: Asking,
  slice: Slice,
): Promise<Tried<Asked>> {
  const asked = await askOnce(client, question, asking, slice);
  if (asked.kind !== "refused" || !question.instead || !refusesDeadline(asked.error)) return asked;
  return askOnce(client, { ...question, ...question.instead }, asking, slice);
}

/** A retry of a question that was asked with another deadline instead finds that one under its request id. */
function refusesDeadline(error: ConnectError): boolean {
  switch (reasonOf(error)) {
    case ErrorReason.DEADLINE_BELOW_FLOOR:
    case ErrorReason.DEADLINE_ABOVE_MAXIMUM:
    case ErrorReason.REQUEST_ID_REUSED:
      return true;
    default:
      return false;
  }
}

async function askOnce(
  client: SessionClient,
  question: Question,
  asking: Asking,
  slice: Slice,
): Promise<Tried<Asked>> {
  const { requestId, origin } = asking;
  if (requestId !== undefined) {
    return asNew(await create(client, question, { requestId }, asking, slice));
  }
  const digest = digestOf(question, origin);
  const previous = await newestAsk(client, digest, slice);
  if (previous.kind !== "done") return previous;
  if (previous.value && isToJoin(previous.value, slice.now())) return joined(previous.value);
  const minted = mintRequestId(digest, previous.value, slice.now());
  const created = await create(client, question, { requestId: minted, digest }, asking, slice);
  if (created.kind !== "refused" || reasonOf(created.error) !== ErrorReason.REQUEST_ID_REUSED) {
    return asNew(created);
  }
  // Somebody asked the same at the same moment with another deadline: theirs is the ask (Q3).
  const theirs = await newestAsk(client, digest, slice);
  return theirs.kind === "done" && theirs.value ? joined(theirs.value) : created;
}

async function newestAsk(
  client: SessionClient,
  digest: string,
  slice: Slice,
): Promise<Tried<Session | undefined>> {
  const filter = { mine: true, label: { key: DIGEST_LABEL, value: digest } };
  const listed = await tryShortly((options) => client.listSessions({ filter, pageSize: 1 }, options), slice);
  return listed.kind === "done" ? { kind: "done", value: listed.value.sessions[0] } : listed;
}

function create(
  client: SessionClient,
  question: Question,
  names: { requestId: string; digest?: string },
  { waits }: Asking,
  slice: Slice,
): Promise<Tried<Session>> {
  const request = requestFor(question, names);
  if (!waits) return shortly(slice, (options) => client.createSession(request, options));
  return tryUntil(
    async () => {
      const { session } = await held(slice, (wait, options) =>
        client.createSession({ ...request, wait }, options),
      );
      return session!;
    },
    { ...slice, unreachedMs: UNREACHED_MS },
  );
}

async function shortly(
  slice: Slice,
  rpc: (options: RpcOptions) => Promise<{ session?: Session }>,
): Promise<Tried<Session>> {
  const tried = await tryShortly(rpc, slice);
  return tried.kind === "done" ? { kind: "done", value: tried.value.session! } : tried;
}

function asNew(created: Tried<Session>): Tried<Asked> {
  return created.kind === "done"
    ? { kind: "done", value: { session: created.value, isJoined: false } }
    : created;
}

function joined(session: Session): Tried<Asked> {
  return { kind: "done", value: { session, isJoined: true } };
}

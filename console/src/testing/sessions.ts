import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Session, Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";

/** When the sessions of these tests were asked. */
export const ASKED_MS = Date.parse("2026-11-20T10:00:00Z");

/** A session that waits; `number` names it. */
export function openSession(
  number: number,
  { expiresInMs, ...rest }: MessageInitShape<typeof SessionSchema> & { expiresInMs?: number } = {},
): Session {
  return create(SessionSchema, {
    id: `01936f5e-0000-7000-8000-${String(number).padStart(12, "0")}`,
    shortId: String(number).padStart(8, "0"),
    title: `Question ${number}?`,
    state: Session_State.OPEN,
    version: 1n,
    interaction: { kind: { case: "text", value: {} } },
    createTime: timestampFromMs(ASKED_MS + number),
    ...(expiresInMs === undefined ? {} : { expireTime: timestampFromMs(ASKED_MS + expiresInMs) }),
    ...rest,
  } as MessageInitShape<typeof SessionSchema>);
}

/** The same session after a change. */
export function changed(session: Session, change: MessageInitShape<typeof SessionSchema>): Session {
  return create(SessionSchema, { ...session, version: session.version + 1n, ...change } as Session);
}

import type { Client } from "@connectrpc/connect";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { CommandError, EXIT } from "./exit-code.ts";
import type { Translate } from "./terminal.ts";

/** Finds a session by its id or its short id, with or without "#" and brackets. Rejects where there is none. */
export async function findSession(
  sessions: Client<typeof SessionService>,
  id: string,
  t: Translate,
): Promise<Session> {
  const name = id
    .trim()
    .toLowerCase()
    .replace(/^\[?#?/, "")
    .replace(/\]$/, "");
  if (/^[0-9a-f]{8}$/.test(name)) {
    const found = await sessions.listSessions({ filter: { shortId: name }, pageSize: 1 });
    if (found.sessions[0]) return found.sessions[0];
    throw new CommandError(
      EXIT.notFound,
      t(
        `there is no session #${name}; "hil sessions --state all" lists them`,
        `没有会话 #${name}；用 "hil sessions --state all" 查看`,
      ),
    );
  }
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)) {
    throw new CommandError(
      EXIT.usage,
      t(
        `${JSON.stringify(id)} names no session: write its 8 characters, like abc12345, or its whole id`,
        `${JSON.stringify(id)} 不是会话编号：请写 8 位短编号（如 abc12345）或完整编号`,
      ),
    );
  }
  const { session } = await sessions.getSession({ sessionId: name });
  return session!;
}

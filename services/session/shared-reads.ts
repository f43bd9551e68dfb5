// Reads of a session that many calls want at the same moment, as the waits do that one answer wakes.

import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";

type Read = (tenantId: string, id: string) => Promise<Session | undefined>;

/**
 * Joins the reads of a session that are asked for in one turn of the event loop. The read begins after all of them were asked
 * for, so that each sees what was committed before it asked.
 */
export function sharedReads(read: Read): Read {
  const asked = new Map<string, Promise<Session | undefined>>();
  return (tenantId, id) => {
    const key = `${tenantId}/${id}`;
    let reading = asked.get(key);
    if (!reading) {
      reading = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        asked.delete(key);
        return read(tenantId, id);
      });
      asked.set(key, reading);
    }
    return reading;
  };
}

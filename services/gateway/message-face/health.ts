import type { Mode } from "../config.ts";
import type { Answer, Call } from "../route-table.ts";
import { zonedTime } from "../zoned-time.ts";

const SERVICE = "hil";

/**
 * Says that the process answers. Always healthy, as the earlier servers said it; whether it can store is what
 * /readyz tells. Under /api it carries the fields of both earlier systems that had this path.
 */
export function health(call: Call, mode: Mode, version: string, now: () => Date): Answer {
  const relay = mode === "relay";
  if (!call.underApi) {
    return { status: 200, body: { status: "healthy", mode, ...(relay && NO_WORKER) } };
  }
  const worker = relay ? NO_WORKER : { worker_connected: null, worker_count: null };
  return {
    status: 200,
    body: { status: "healthy", mode, ...worker, timestamp: zonedTime(now()), version, service: SERVICE },
  };
}

/** Says what this is, for programs; browsers get the console. */
export function info(mode: Mode, version: string): Answer {
  return {
    status: 200,
    body: {
      service: SERVICE,
      version,
      status: "running",
      mode,
      ...(mode === "relay" && { worker_connected: false }),
    },
  };
}

/** No relay is served by this version, so none is ever connected. */
const NO_WORKER = { worker_connected: false, worker_count: 0 } as const;

import type { Mode } from "../config.ts";
import type { Answer, Call } from "../route-table.ts";
import { zonedTime } from "../zoned-time.ts";

const SERVICE = "hil";

/** What both are made of. */
export interface HealthOptions {
  readonly mode: Mode;
  readonly version: string;
  /** How many relays are attached: workers, in the words of the earlier clients. Asked in relay mode only. */
  readonly attachedRelays: () => Promise<number>;
  readonly now: () => Date;
}

/**
 * Says that the process answers. Always healthy, as the earlier servers said it; whether it can store is what
 * /readyz tells. Under /api it carries the fields of both earlier systems that had this path.
 */
export async function health(call: Call, options: HealthOptions): Promise<Answer> {
  const { mode, version, now } = options;
  const worker = mode === "relay" ? await workerOf(options) : undefined;
  if (!call.underApi) return { status: 200, body: { status: "healthy", mode, ...worker } };
  const none = { worker_connected: null, worker_count: null };
  return {
    status: 200,
    body: {
      status: "healthy",
      mode,
      ...(worker ?? none),
      timestamp: zonedTime(now()),
      version,
      service: SERVICE,
    },
  };
}

/** Says what this is, for programs; browsers get the console. */
export async function info(options: HealthOptions): Promise<Answer> {
  const { mode, version } = options;
  const body = { service: SERVICE, version, status: "running", mode };
  if (mode !== "relay") return { status: 200, body };
  const { worker_connected } = await workerOf(options);
  return { status: 200, body: { ...body, worker_connected } };
}

async function workerOf({ attachedRelays }: HealthOptions) {
  const count = await attachedRelays();
  return { worker_connected: count > 0, worker_count: count };
}

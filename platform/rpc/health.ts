import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@hil/gen/grpc/health/v1/health_pb.ts";

const WATCH_INTERVAL_MS = 1_000;

/** Whether this process serves. */
export interface Readiness {
  /** What keeps it from serving, in words; undefined where nothing does. Costs little: asked often. */
  obstacle(): Promise<string | undefined>;
}

/**
 * The standard health check of gRPC, for everybody who can reach the port: it tells nothing but "serving" or not, for
 * the whole process ("") and for each of its services.
 */
export function healthRoutes(services: readonly string[], readiness: Readiness) {
  const statusOf = async (service: string): Promise<Status> => {
    if (service !== "" && !services.includes(service)) return Status.SERVICE_UNKNOWN;
    return (await readiness.obstacle()) === undefined ? Status.SERVING : Status.NOT_SERVING;
  };
  return (router: ConnectRouter): void => {
    router.service(Health, {
      async check({ service }) {
        const status = await statusOf(service);
        if (status === Status.SERVICE_UNKNOWN) {
          throw new ConnectError("there is no such service here", Code.NotFound);
        }
        return { status };
      },
      async *watch({ service }, { signal }) {
        let last: Status | undefined;
        while (!signal.aborted) {
          const status = await statusOf(service);
          if (status !== last) yield { status };
          last = status;
          await later(WATCH_INTERVAL_MS, signal);
        }
      },
    });
  };
}

function later(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
  });
}

import type { GetStatisticsResponse } from "@hil/gen/hil/session/v1/session_service_pb.ts";

/** Counts as clients of this face know them; each of its words is one of ours. */
export function statisticsView({ total, openNow }: GetStatisticsResponse): Record<string, number> {
  return {
    active_sessions: Number(openNow),
    total_sessions: Number(total?.created ?? 0n),
    completed_sessions: Number(total?.answered ?? 0n),
    timeout_sessions: Number(total?.expired ?? 0n),
    cancelled_sessions: Number(total?.cancelled ?? 0n),
  };
}

import type { Principal } from "@hil/platform/auth/principal.ts";
import type { HttpRequest } from "@hil/platform/http/listener.ts";
import type { Caller } from "../caller.ts";
import { clientNameOf } from "./legacy-sessions.ts";

const MOST_TIMEOUT_S = 365 * 24 * 3600;
/** As HIL_MCP_SLICE_SECONDS of the stdio adapter. */
const MOST_SLICE_S = 3600;
/** As HIL_MCP_PROGRESS_SECONDS. */
const MOST_PROGRESS_S = 60;

/**
 * Who sent a request. An entry says in its address what the flags of the stdio adapter say:
 * `/mcp?chat_id=wrk1&project_name=shop&timeout=3600&slice_seconds=280`. What is not of that form there is as if it were left out.
 */
export function callerOf(
  { url = "", headers }: Pick<HttpRequest, "url" | "headers">,
  {
    credential,
    principal,
    drain,
    handedOver,
  }: {
    credential: Readonly<Record<string, string>>;
    principal: Principal;
    drain: AbortSignal;
    handedOver: Caller["handedOver"];
  },
): Caller {
  const query = new URLSearchParams(url.split("?", 2)[1]);
  const seconds = (name: string, least: number, most: number) => {
    const value = /^\d{1,9}$/.test(query.get(name) ?? "") ? Number(query.get(name)) : undefined;
    return value !== undefined && value >= least && value <= most ? value : undefined;
  };
  const clientName = clientNameOf(headers);
  return {
    headers: credential,
    principalId: principal.id,
    drain,
    origin: undefined, // there is no working folder here
    chatId: (query.get("chat_id") ?? "").slice(0, 200),
    projectName: query.get("project_name") ?? "",
    timeoutS: seconds("timeout", 0, MOST_TIMEOUT_S),
    sliceS: seconds("slice_seconds", 1, MOST_SLICE_S),
    progressS: seconds("progress_seconds", 1, MOST_PROGRESS_S),
    readsFiles: false,
    handedOver,
    clientName,
  };
}

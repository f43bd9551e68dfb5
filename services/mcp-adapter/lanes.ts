// How long one tool call may wait.
//
// A slice is how long one call holds the line; a deadline is how long people have. Clients cut calls off at
// limits of their own, so a slice ends before the smallest limit known for the client and answers
// "waiting", which is no error: the model calls again and nothing is lost.

/** For a client that nothing is known of: most cut at 60 s. */
const UNKNOWN_CLIENT_S = 45;
/** The most, also for a client that takes progress for a sign of life: several ignore it after 5 minutes. */
const MOST_S = 240;
/** The least: a model that asks for a wait of one second would only call in a tight loop. */
const LEAST_S = 10;

/** Clients known by the name that they give themselves. A hint for tuning, never for trust. */
const CLIENT_HINTS: readonly { name: RegExp; sliceS: number }[] = [
  { name: /^claude-ai|claude[ -]desktop|cowork/i, sliceS: UNKNOWN_CLIENT_S }, // 60 s in some builds; progress does not extend it
  { name: /cursor|visual studio code|vscode/i, sliceS: MOST_S }, // 5 minutes reported
];

export interface LaneRequest {
  /** clientInfo.name. */
  readonly clientName: string | undefined;
  /** The client listens for progress. */
  readonly hasProgressToken: boolean;
  /** max_wait_seconds of the call. */
  readonly askedS: number | undefined;
  /** HIL_MCP_SLICE_SECONDS. */
  readonly configuredS: number | undefined;
}

/** How long this call waits, in milliseconds. */
export function sliceMsOf({ clientName, hasProgressToken, askedS, configuredS }: LaneRequest): number {
  const hint = clientName ? CLIENT_HINTS.find(({ name }) => name.test(clientName)) : undefined;
  const laneS = configuredS ?? hint?.sliceS ?? (hasProgressToken ? MOST_S : UNKNOWN_CLIENT_S);
  const leastS = Math.min(LEAST_S, laneS);
  return clamp(askedS ?? laneS, leastS, laneS) * 1000;
}

/** What people have where nobody says otherwise; see HIL_DEFAULT_TIMEOUT of the server. */
const USUAL_TIMEOUT_S = 1200;
/** The most that a call may make of its deadline: a week. */
const MOST_ASKED_TIMEOUT_S = 7 * 24 * 3600;

/**
 * The ask's deadline in seconds: 0 for none, undefined for the server's own. The person who configured the
 * adapter decides; a model may give people more time and never less, since models have been seen to pass one second.
 */
export function timeoutSOf(configuredS: number | undefined, askedS: number | undefined): number | undefined {
  if (configuredS === 0 || askedS === undefined) return configuredS;
  const wantedS = Math.min(Math.round(askedS), MOST_ASKED_TIMEOUT_S);
  return wantedS > (configuredS ?? USUAL_TIMEOUT_S) ? wantedS : configuredS;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

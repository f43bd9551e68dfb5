// Tells the client, while a call waits, that it still does.

/** How often, in seconds, where nobody says otherwise. */
export const PROGRESS_S = 10;

export interface ProgressBeat {
  /** Grows by one each time. */
  readonly progress: number;
  readonly message: string;
}

/** Sends a beat at once and then every `everyS` seconds, until the returned function is called. */
export function startHeartbeat(
  send: (beat: ProgressBeat) => void,
  { everyS = PROGRESS_S, now }: { everyS?: number | undefined; now: () => Date },
): () => void {
  const startMs = now().getTime();
  let progress = 0;
  const beat = () => {
    progress += 1;
    send({ progress, message: `waiting for a reply, ${span(now().getTime() - startMs)}` });
  };
  beat();
  const timer = setInterval(beat, everyS * 1000);
  timer.unref();
  return () => clearInterval(timer);
}

function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

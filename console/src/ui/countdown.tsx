import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useComputed, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { serverNowMs } from "../live/server-clock.ts";
import { remaining } from "../text/format.ts";
import { language, text } from "../text/text.ts";
import { announce } from "./announcer.tsx";

/** Seconds before the end at which screen readers hear how much is left. */
const SAID_AT_S = [300, 60, 20];

/** What is left of a session's time, ticking for the eye only. */
export function Countdown({ session }: { session: Session }) {
  const endMs = session.expireTime && timestampMs(session.expireTime);
  const shown = useComputed(() => {
    if (endMs === undefined) return text.value.noDeadline;
    const leftMs = endMs - serverNowMs.value;
    return leftMs > 0 ? remaining(language.value, leftMs) : text.value.overdue;
  });
  const urgency = useComputed(() => {
    const leftMs = endMs === undefined ? Number.POSITIVE_INFINITY : endMs - serverNowMs.value;
    return leftMs < 60_000 ? "last" : leftMs < 300_000 ? "soon" : "calm";
  });
  return (
    <span class="countdown" data-urgency={urgency}>
      {shown}
    </span>
  );
}

/** Has screen readers hear 5 minutes, 1 minute and 20 seconds before the end, and the end. */
export function useDeadlineAnnouncements(session: Session | undefined): void {
  const heardS = useRef<number | undefined>(undefined);
  const end = useRef<number | undefined>(undefined);
  end.current = session?.expireTime && timestampMs(session.expireTime);
  useSignalEffect(() => {
    const nowMs = serverNowMs.value;
    if (end.current === undefined) return;
    const leftS = Math.ceil((end.current - nowMs) / 1000);
    const before = heardS.current;
    heardS.current = leftS;
    if (before === undefined || leftS >= before) return;
    if (leftS <= 0 && before > 0) announce(text.peek().deadlinePassed, "assertive");
    else if (SAID_AT_S.some((each) => before > each && leftS <= each)) {
      announce(text.peek().leftAnnouncement(remaining(language.peek(), leftS * 1000)), "assertive");
    }
  });
}

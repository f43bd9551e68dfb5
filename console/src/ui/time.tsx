import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { serverNowMs } from "../live/server-clock.ts";
import { clockTime, exactTime } from "../text/format.ts";
import { language } from "../text/text.ts";

/** A time as people say it: of today without the date. */
export function timeText(time: Timestamp): string {
  return clockTime(language.value, timestampDate(time), new Date(serverNowMs.peek()));
}

/** The same, with the exact moment for whoever hovers. */
export function Time({ time }: { time: Timestamp }) {
  const date = timestampDate(time);
  return (
    <time dateTime={date.toISOString()} title={exactTime(date)}>
      {timeText(time)}
    </time>
  );
}

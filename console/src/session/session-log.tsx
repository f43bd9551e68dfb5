import { type Event, Reply_Disposition, type Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useApp } from "../app-context.ts";
import { text } from "../text/text.ts";
import { Time } from "../ui/time.tsx";
import { channelName } from "./outcome-words.ts";

/** Where a question was sent, what else was replied, and what happened when. Closed to begin with. */
export function SessionLog({ session }: { session: Session }) {
  const { client } = useApp();
  const isOpen = useSignal(false);
  const events = useSignal<readonly Event[] | "failed" | undefined>(undefined);
  useEffect(() => {
    if (!isOpen.value) return;
    const stop = new AbortController();
    client
      .listEvents({ sessionId: session.id, pageSize: 200 }, { signal: stop.signal, timeoutMs: 15_000 })
      .then(
        (response) => {
          events.value = response.events;
        },
        () => {
          if (!stop.signal.aborted) events.value ??= "failed";
        },
      );
    return () => stop.abort();
  }, [isOpen.value, session.version]);

  const t = text.value;
  const replies = session.replies.filter((reply) => reply.disposition !== Reply_Disposition.ACCEPTED);
  return (
    <details
      class="log"
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open;
      }}
    >
      <summary>{t.log}</summary>
      {session.deliveries.length > 0 ? (
        <>
          <h2>{t.sentTo}</h2>
          <ul>
            {session.deliveries.map((delivery) => (
              <li key={delivery.deliveryId}>
                {channelName(delivery.target?.channelId ?? "")}: {t.deliveryStates[delivery.state]}
                {delivery.reason ? ` (${delivery.reason})` : null}
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {replies.length > 0 ? (
        <>
          <h2>{t.lateReplies}</h2>
          <ul>
            {replies.map((reply) => (
              <li key={reply.id}>
                {reply.receiveTime ? <Time time={reply.receiveTime} /> : null} {reply.sender?.name}{" "}
                {t.dispositions[reply.disposition]}: <q>{reply.text}</q>
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {events.value === "failed" ? <p>{t.logFailed}</p> : null}
      {Array.isArray(events.value) ? (
        <ol>
          {events.value.map((event: Event) => (
            <li key={event.eventId}>
              {event.time ? <Time time={event.time} /> : null} {t.events[event.type] ?? t.events[0]}
            </li>
          ))}
        </ol>
      ) : null}
    </details>
  );
}

import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { text } from "../text/text.ts";

/** More lines than this are shown only when asked for. */
const SHOWN_LINES = 40;
/** A line longer than this counts as several, as it is wrapped. */
const LINE_CHARACTERS = 100;

/** What helps to decide: the body as plain text, whatever an agent wrote in it, then facts and pictures. */
export function Evidence({ session, onRead }: { session: Session; onRead: () => void }) {
  const { body, context, attachments } = session;
  const isWhole = useSignal(false);
  const lines = countLines(body);
  const isLong = lines > SHOWN_LINES;
  useEffect(() => {
    if (!isLong || isWhole.value) onRead();
  }, [isLong, isWhole.value]);
  const t = text.value;
  return (
    <>
      {body ? (
        <section class="evidence" aria-label={t.question}>
          <div class="body" data-collapsed={isLong && !isWhole.value}>
            {isLong && !isWhole.value ? firstLines(body) : body}
          </div>
          {isLong && !isWhole.value ? (
            <button
              type="button"
              class="button show-all"
              onClick={() => {
                isWhole.value = true;
              }}
            >
              {t.showAll(lines)}
            </button>
          ) : null}
        </section>
      ) : null}
      {context.length > 0 ? (
        <section class="evidence">
          <h2>{t.facts}</h2>
          <dl class="facts">
            {context.map(({ key, value }, at) => (
              <div key={at}>
                <dt>{key}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </section>
      ) : null}
      {attachments.length > 0 ? (
        <section class="evidence">
          <h2>{t.pictures}</h2>
          <ul class="pictures">
            {attachments.map(({ number, name }) => {
              const address = `/api/console/attachments/${session.id}/${number}`;
              const label = name || t.picture(number);
              return (
                <li key={number}>
                  <a href={address} target="_blank" rel="noopener" aria-label={t.openPicture(label)}>
                    <img src={address} alt={label} loading="lazy" />
                  </a>
                </li>
              );
            })}
          </ul>
        </section>
      ) : null}
    </>
  );
}

function countLines(body: string): number {
  return body
    .split("\n")
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / LINE_CHARACTERS)), 0);
}

function firstLines(body: string): string {
  return body
    .split("\n")
    .slice(0, SHOWN_LINES)
    .join("\n")
    .slice(0, SHOWN_LINES * LINE_CHARACTERS);
}

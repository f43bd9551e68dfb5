// @vitest-environment happy-dom
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  type InteractionSchema,
  type Session,
  Session_Outcome,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import {
  type AnswerSessionRequest,
  type AnswerSessionResponseSchema,
  SessionService,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AppProvider } from "../app-context.ts";
import { createLiveSessions, type LiveSessions } from "../live/live-sessions.ts";
import { changed, openSession } from "../testing/sessions.ts";
import { loadText } from "../text/text.ts";
import { SessionPage } from "./session-page.tsx";

let live: LiveSessions;
let sent: AnswerSessionRequest[];

beforeEach(() => {
  localStorage.clear();
  return loadText("en");
});
afterEach(() => {
  cleanup();
  live.close();
});

/** Shows a session's page before a service that holds just that session. */
async function show(
  session: Session | undefined,
  answer: (request: AnswerSessionRequest) => MessageInitShape<typeof AnswerSessionResponseSchema> = () => {
    throw new ConnectError("away", Code.Unavailable);
  },
): Promise<void> {
  sent = [];
  const client = createClient(
    SessionService,
    createRouterTransport(({ rpc }) => {
      rpc(SessionService.method.getSession, () => {
        if (!session) throw new ConnectError("no such session", Code.NotFound);
        return { session };
      });
      rpc(SessionService.method.answerSession, (request) => {
        sent.push(request);
        return answer(request);
      });
    }),
  );
  live = createLiveSessions({ client });
  render(
    <AppProvider
      value={{ client, access: { whoAmI: () => Promise.reject(new Error("not asked here")) }, live }}
    >
      <SessionPage sessionId={session?.id ?? openSession(1).id} />
    </AppProvider>,
  );
  await screen.findByRole("heading", {
    level: 1,
    name: session ? session.title : "There is no such question",
  });
}

const field = () => screen.getByRole("textbox", { name: "Your answer" }) as HTMLTextAreaElement;
const write = (text: string) => fireEvent.input(field(), { target: { value: text } });
const DANGEROUS: MessageInitShape<typeof InteractionSchema> = {
  kind: { case: "confirmation", value: { options: [{ value: "drop", label: "Drop it", dangerous: true }] } },
};

test("a session that is not there is said to be gone", async () => {
  await show(undefined);
  expect(screen.queryByRole("button", { name: /Send/ })).toBeNull();
});

test("a default answer is a warning before, and nothing is filled in with it", async () => {
  const value = { kind: { case: "text", value: { text: "Nothing" } } } as const;
  await show(openSession(1, { defaultAnswer: value, expiresInMs: 60_000 }));
  expect(screen.getByText(/this counts as the answer: “Nothing”/)).toBeTruthy();
  expect(field().value).toBe("");
});

test("what is written is kept for the next time the page opens, until it is answered", async () => {
  const session = openSession(1);
  await show(session);
  write("Half a thought");
  cleanup();
  live.close();
  await show(session, () => ({
    session: changed(session, { state: Session_State.ANSWERED, outcome: Session_Outcome.ANSWERED }),
  }));
  expect(field().value).toBe("Half a thought");
  fireEvent.click(screen.getByRole("button", { name: /Send/ }));
  await screen.findByRole("region", { name: "Your answer" });
  expect(localStorage.length).toBe(0);
});

test("the same request id goes out with every try of one page, and a double click sends once", async () => {
  await show(openSession(1));
  write("Once");
  const button = screen.getByRole("button", { name: /Send/ });
  fireEvent.click(button);
  fireEvent.click(button);
  fireEvent.click(await screen.findByRole("button", { name: /Try again/ }));
  await screen.findByRole("button", { name: /Try again/ });
  expect(sent.length).toBe(2);
  expect(sent[0]!.requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  expect(new Set(sent.map(({ requestId }) => requestId)).size).toBe(1);
});

test("an empty answer is not sent: the field says why and has the focus", async () => {
  await show(openSession(1));
  fireEvent.click(screen.getByRole("button", { name: /Send/ }));
  await screen.findByText("Write an answer first.");
  expect(document.activeElement).toBe(field());
  expect(field().getAttribute("aria-invalid")).toBe("true");
  write("Now there is one");
  expect(screen.queryByText("Write an answer first.")).toBeNull();
  expect(sent).toEqual([]);
});

test("long evidence is collapsed, and something dangerous waits until it was opened", async () => {
  const body = Array.from({ length: 60 }, (_, line) => `Line ${line + 1}.`).join("\n");
  await show(openSession(1, { interaction: DANGEROUS, body }));
  expect(screen.queryByText(/Line 60\./)).toBeNull();
  fireEvent.click(screen.getByRole("button", { name: /Drop it/ }));
  expect(screen.queryByRole("dialog")).toBeNull();
  const showAll = screen.getByRole("button", { name: "Show all (60 lines)" });
  expect(document.activeElement).toBe(showAll);
  fireEvent.click(showAll);
  screen.getByText(/Line 60\./);
  fireEvent.click(screen.getByRole("button", { name: /Drop it/ }));
  expect(await screen.findByRole("dialog", { name: "Drop it?" })).toBeTruthy();
  expect(sent).toEqual([]);
});

test("a kind of question that this console does not know is shown, and not answered", async () => {
  await show(openSession(1, { interaction: {} as Session["interaction"], body: "From the future" }));
  screen.getByText("From the future");
  expect(screen.queryByRole("form")).toBeNull();
});

test("a change that arrives live ends the form, and keeps the words", async () => {
  const session = openSession(1);
  await show(session);
  live.list.apply(session);
  write("Too slow");
  live.list.apply(changed(session, { state: Session_State.CANCELLED, endReason: "not needed" }));
  await screen.findByText("Reason: not needed");
  expect((screen.getByLabelText("What you wrote") as HTMLTextAreaElement).value).toBe("Too slow");
});

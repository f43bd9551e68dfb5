import { create } from "@bufbuild/protobuf";
import {
  DeliverySummary_State,
  Reply_Disposition,
  ReplyMatching,
  type Session,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { ConfigurationError } from "@hil/platform/config/environment.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { splitKey } from "./caller.ts";
import { readGatewayConfig } from "./config.ts";
import { dataUrlBytes, imageTypeOf, toDataUrl } from "./image.ts";
import { pollAnswerOf } from "./message-face/poll-answer.ts";
import { sendOutcomeOf } from "./message-face/send-outcome.ts";
import { sendRequest, toProjectName, toSession } from "./message-face/send-request.ts";
import { BadRequest } from "./rest-error.ts";
import { findRoute, type Route } from "./route-table.ts";
import { readWorkflowAsk } from "./workflow-face/interaction-data.ts";
import { readResponse } from "./workflow-face/response-data.ts";
import { sessionView } from "./workflow-face/session-view.ts";

const ENDED = [
  Session_State.ANSWERED,
  Session_State.EXPIRED,
  Session_State.CANCELLED,
  Session_State.UNDELIVERABLE,
];
const state = fc.constantFrom(Session_State.OPEN, ...ENDED);
const disposition = fc.constantFrom(
  Reply_Disposition.ACCEPTED,
  Reply_Disposition.LATE,
  Reply_Disposition.INVALID,
);
const session = fc
  .record({
    state,
    endReason: fc.string(),
    delivery: fc.constantFrom(...Object.values(DeliverySummary_State)),
    replies: fc.array(
      fc.record({
        disposition,
        text: fc.string(),
        imageUrls: fc.array(fc.webUrl(), { maxLength: 2 }),
        vendorMessage: fc.oneof(fc.json(), fc.string()),
      }),
      { maxLength: 4 },
    ),
  })
  .map(
    ({ delivery, ...rest }): Session =>
      create(SessionSchema, { id: "s", ...rest, deliveries: [{ state: delivery }] }),
  );

test("polling says replied exactly when a person answered, and never not_found of a session that is there", () => {
  fc.assert(
    fc.property(session, (given) => {
      const answer = pollAnswerOf(given);
      expect(answer.has_reply).toBe(given.state === Session_State.ANSWERED);
      expect(answer.status === "replied").toBe(answer.has_reply);
      expect(answer.status).not.toBe("not_found");
      if (answer.has_reply) expect(answer.replies.length).toBeGreaterThan(0);
      for (const reply of answer.replies) {
        expect(Object.keys(reply).sort()).toEqual([
          "content",
          "from_user",
          "image_url",
          "msg_type",
          "raw_data",
          "timestamp",
        ]);
        expect(reply.msg_type !== "text").toBe(reply.image_url !== null);
        expect(Array.isArray(reply.raw_data)).toBe(false);
      }
    }),
  );
});

test("a session that nobody was shown and nobody will be is never sent", () => {
  fc.assert(
    fc.property(session, (given) => {
      const { kind } = sendOutcomeOf(given);
      if (given.state === Session_State.UNDELIVERABLE) expect(kind).toBe("failed");
      if (given.state !== Session_State.OPEN) expect(["sent", "failed"]).toContain(kind);
      if (kind === "sent" && given.state !== Session_State.ANSWERED) {
        expect(given.deliveries[0]!.state).toBe(DeliverySummary_State.SENT);
      }
    }),
  );
});

test("a workflow reads pending exactly while the session is open", () => {
  fc.assert(
    fc.property(session, (given) => {
      const view = sessionView(given);
      expect(view.status === "pending").toBe(given.state === Session_State.OPEN);
      expect("response" in view).toBe(given.answer !== undefined);
    }),
  );
});

test("any project name becomes one that fits the tag", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
      const fitted = toProjectName(name);
      expect(fitted).toMatch(/^[^\]\r\n]*$/);
      expect([...fitted].length).toBeLessThanOrEqual(100);
      expect(toProjectName(fitted)).toBe(fitted);
    }),
  );
});

test("a message without a timeout never counts among plain replies at once, one with a timeout always does", () => {
  fc.assert(
    fc.property(fc.string(), fc.option(fc.integer({ min: 1, max: 1e6 })), (message, timeout) => {
      const { session: asked } = toSession(sendRequest.parse({ message, timeout }), "c", "", "");
      expect(asked.audience!.replyMatching).toBe(
        timeout === null ? ReplyMatching.QUOTED_UNTIL_WAITED : ReplyMatching.PLAIN,
      );
      expect(asked.timeout!.seconds).toBe(BigInt(timeout ?? 300));
    }),
  );
});

test("whatever JSON a workflow sends is read or refused with a sentence", () => {
  const hostile = fc.jsonValue({ maxDepth: 4 });
  const near = fc.record(
    {
      interaction_type: fc.oneof(
        fc.constantFrom("confirmation", "selection", "text_input", "input"),
        hostile,
      ),
      title: fc.oneof(fc.string(), hostile),
      message: fc.oneof(fc.string(), hostile),
      options: fc.oneof(fc.array(fc.oneof(fc.string(), hostile)), hostile),
      default_value: hostile,
      timeout: hostile,
      multiple: hostile,
      context: hostile,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        hostile,
        near,
        near.map((data) => ({ interaction_data: data })),
      ),
      (body) => {
        try {
          expect(readWorkflowAsk(body, "").session.interaction?.kind?.case).toBeDefined();
        } catch (error) {
          expect(error).toBeInstanceOf(BadRequest);
        }
      },
    ),
  );
});

test("whatever JSON a person's page sends is read or refused with a sentence", () => {
  const asked = fc.constantFrom("confirmation" as const, "selection" as const, "text" as const);
  fc.assert(
    fc.property(asked, fc.jsonValue(), (kind, response) => {
      const { interaction } = create(SessionSchema, { interaction: { kind: { case: kind, value: {} } } });
      try {
        expect(readResponse(response, interaction).value.kind?.case).toBe(kind);
      } catch (error) {
        expect(error).toBeInstanceOf(BadRequest);
      }
    }),
  );
});

test("a key before the path never stays in what is left of it", () => {
  const key = fc.string({ minLength: 12 }).map((text) => `secret-${text}`);
  fc.assert(
    fc.property(
      key,
      fc.constantFrom("", "/", "/send", "/api/poll/1", "/api/sessions?workflow_id=a"),
      (given, rest) => {
        const split = splitKey(`/k/${encodeURIComponent(given)}${rest}`);
        expect(split).toEqual({ key: given, rest: rest || "/" });
      },
    ),
  );
  expect(splitKey("/kind/x")).toEqual({ key: undefined, rest: "/kind/x" });
});

test("a path finds at most the route that it fits, and an id is never empty and never has a slash", () => {
  const routes: Route[] = ["/poll/{id}", "/session/{id}/timeout", "/sessions", "/"].map((pattern) => ({
    method: "GET",
    pattern,
    prefix: pattern === "/sessions" ? "api" : "either",
    access: "open",
    handle: () => ({ status: 200, body: {} }),
  }));
  fc.assert(
    fc.property(fc.stringMatching(/^[\w/{}.%-]{0,30}$/), (text) => {
      for (const path of [`/${text}`, `/poll/${text}`, `/api/session/${text}/timeout`]) {
        const found = findRoute(routes, "GET", path);
        if (found.kind !== "route" || !found.route.pattern.includes("{id}")) continue;
        expect(found.id).not.toBe("");
        expect(found.id).not.toContain("/");
        expect(path).toBe(
          (found.underApi ? "/api" : "") + found.route.pattern.replace("{id}", () => found.id),
        );
      }
    }),
  );
  expect(findRoute(routes, "GET", "/session/timeout").kind).toBe("unknown");
  expect(findRoute(routes, "GET", "/sessions").kind).toBe("unknown");
});

test("a picture survives being carried as a data URL; other texts are none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      expect(new Uint8Array(dataUrlBytes(toDataUrl("image/png", bytes))!)).toEqual(bytes);
    }),
  );
  for (const text of [
    "",
    "data:",
    "data:,",
    "data:image/png,abc",
    "data:image/png;base64,",
    "data:image/png;base64,a b",
  ]) {
    expect(dataUrlBytes(text)).toBeUndefined();
  }
  expect(imageTypeOf(Buffer.from("RIFF1234WEBP"))).toBe("image/webp");
  expect(imageTypeOf(Buffer.from("RIFF1234WAVE"))).toBeUndefined();
  expect(imageTypeOf(Buffer.alloc(0))).toBeUndefined();
});

test("the mode is direct with a robot's key and relay without, unless it is said", () => {
  expect(readGatewayConfig({}).mode).toBe("relay");
  expect(readGatewayConfig({ BOT_KEY: "k" }).mode).toBe("direct");
  expect(readGatewayConfig({ BOT_KEY: "k", HIL_MODE: "relay" }).mode).toBe("relay");
  expect(() => readGatewayConfig({ HIL_MODE: "proxy", HIL_LOCALE: "fr" })).toThrow(ConfigurationError);
});

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Event_Type, EventSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { eventOf, messageOf } from "./subjects.ts";

test("an event is the same whether or not it left the process on its way", () => {
  const event = create(EventSchema, {
    eventId: "0192f0c1-2b3c-7d4e-8f50-61728394a5b6/2",
    cursor: 7n,
    tenantId: "t1",
    sessionId: "0192f0c1-2b3c-7d4e-8f50-61728394a5b6",
    version: 2n,
    type: Event_Type.ANSWERED,
    time: timestampFromMs(1_764_000_000_123),
  });
  const sent = messageOf(event);
  expect(eventOf(sent)).toEqual(event);
  const { subject, id, data } = sent;
  expect(subject).toBe(`hil.session.v1.session.answered.${event.sessionId}`);
  expect(id).toBe(event.eventId);
  expect(eventOf({ subject, id, data })).toEqual(event);
});

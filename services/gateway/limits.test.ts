import * as http from "node:http";
import { create } from "@bufbuild/protobuf";
import { TenantSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { createRateLimits } from "@hil/platform/limits/rate-limits.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunningGateway, startGateway } from "./testing/running-gateway.ts";

const UNKNOWN = "0190b1c2-0000-7000-8000-000000000000";
/** One call a second, and so ten at once. */
const BURST = 10;
let gateway: RunningGateway;
beforeEach(async () => {
  const tenant = create(TenantSchema, { policy: { limits: { callsPerSecond: 1 } } });
  const time = new Date();
  gateway = await startGateway({
    limits: createRateLimits({ tenants: { get: () => tenant }, now: () => time }),
  });
});
afterEach(() => gateway[Symbol.asyncDispose]());

/** A request whose body is announced and, where it is undefined, never sent. */
function call(method: string, path: string, body?: string) {
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Record<string, unknown> }>(
    (resolve, reject) => {
      const headers = { authorization: `Bearer ${gateway.ownerKey}`, "content-type": "application/json" };
      const request = http.request(`${gateway.url}${path}`, { method, headers, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => {
          resolve({ status: response.statusCode!, headers: response.headers, body: JSON.parse(text) });
          request.destroy();
        });
      });
      request.on("error", reject);
      if (body !== undefined || method === "GET") {
        request.end(body);
        return;
      }
      request.setHeader("content-length", 1_000_000);
      request.flushHeaders();
    },
  );
}
const useUp = async () => {
  for (let n = 0; n < BURST; n++) expect((await call("GET", `/api/poll/${UNKNOWN}`)).status).toBe(200);
};

test("Y4: polling too often is 429 with when to come back, which pollers survive", async () => {
  await useUp();
  const refused = await call("GET", `/api/poll/${UNKNOWN}`);
  expect(refused).toMatchObject({ status: 429, body: { reason: "RATE_LIMITED" } });
  expect(refused.headers["retry-after"]).toBe("1");
});

test("Y4: a send too many is refused before its body is read, in words that the agent is shown", async () => {
  await useUp();
  const { status, body } = await call("POST", "/api/send");
  expect(status).toBe(200);
  expect(body).toMatchObject({ success: false, session_id: null });
  expect(body.error).toContain("1 calls in a second");
});

test("Y4: a workflow's call too many is refused before its body is read", async () => {
  await useUp();
  const refused = await call("POST", "/api/sessions");
  expect(refused).toMatchObject({ status: 429, body: { reason: "RATE_LIMITED" } });
  expect(refused.headers["retry-after"]).toBe("1");
});

test("health is answered to whoever calls too often", async () => {
  await useUp();
  expect((await call("GET", "/health")).status).toBe(200);
});

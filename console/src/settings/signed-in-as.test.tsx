// @vitest-environment happy-dom
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { AccessService, type WhoAmIResponseSchema } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { cleanup, render, screen, waitFor } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AppProvider } from "../app-context.ts";
import { createLiveSessions } from "../live/live-sessions.ts";
import { loadText } from "../text/text.ts";
import { SignedInAs } from "./signed-in-as.tsx";

const ended: (() => void)[] = [];
beforeEach(() => loadText("en"));
afterEach(() => {
  cleanup();
  for (const end of ended.splice(0)) end();
});

/** Shows it to whom the server says it is. */
function show(whoAmI: () => MessageInitShape<typeof WhoAmIResponseSchema>) {
  let asked = 0;
  const transport = createRouterTransport(({ service }) => {
    service(AccessService, {
      whoAmI: () => {
        asked += 1;
        return whoAmI();
      },
    });
  });
  const client = createClient(SessionService, transport);
  const live = createLiveSessions({ client });
  ended.push(() => live.close());
  const access = createClient(AccessService, transport);
  const { container } = render(
    <AppProvider value={{ client, access, live }}>
      <SignedInAs />
    </AppProvider>,
  );
  return { container, asked: () => asked };
}

test("a member reads its name, its team and what it may do, and never the tenant's id", async () => {
  const { container } = show(() => ({
    principal: {
      id: "member:1",
      memberId: "1",
      name: "Ann",
      tenantId: "t-1",
      roles: [Role.RESPONDER, Role.AUDITOR],
    },
    tenantDisplayName: "Team A",
  }));
  await screen.findByText("Ann");
  screen.getByText("Team A");
  screen.getByText("answers questions, auditor");
  expect(container.textContent).not.toContain("t-1");
});

test("the owner is called so", async () => {
  show(() => ({ principal: { id: "owner", roles: [Role.OWNER] }, tenantDisplayName: "Default" }));
  await screen.findByText("Owner of this deployment");
});

test("nothing is shown where the server does not say", async () => {
  const { container, asked } = show(() => {
    throw new ConnectError("away", Code.Unavailable);
  });
  await waitFor(() => expect(asked()).toBe(1));
  expect(container.textContent).toBe("");
});

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { AnswerValueSchema, InteractionSchema, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";

type Interaction = MessageInitShape<typeof InteractionSchema>;

/** What a question may have besides its title. */
export interface Ask {
  readonly interaction?: Interaction;
  readonly body?: string;
  readonly projectName?: string;
  readonly clientName?: string;
  readonly timeout?: { readonly seconds: bigint };
  readonly defaultAnswer?: MessageInitShape<typeof AnswerValueSchema>;
  readonly context?: { readonly key: string; readonly value: string }[];
}

export const TEXT: Interaction = { kind: { case: "text", value: {} } };

export const DEPLOY: Interaction = {
  kind: {
    case: "confirmation",
    value: {
      options: [
        { value: "deploy", label: "Deploy", description: "Replaces 4.1 on all 12 hosts.", dangerous: true },
        { value: "keep", label: "Keep 4.1", refuses: true },
      ],
    },
  },
};

export const YES_NO: Interaction = {
  kind: {
    case: "confirmation",
    value: {
      options: [
        { value: "yes", label: "Send it" },
        { value: "no", label: "Do not send", refuses: true },
      ],
    },
  },
};

const REGIONS = [
  { value: "eu", label: "Europe", description: "Frankfurt and Dublin" },
  { value: "us", label: "North America" },
  { value: "ap", label: "Asia" },
];

export const ONE_REGION: Interaction = {
  kind: { case: "selection", value: { options: REGIONS, otherAllowed: true } },
};

export const REGIONS_TO_KEEP: Interaction = {
  kind: { case: "selection", value: { options: REGIONS, minChoices: 1, maxChoices: 2 } },
};

/** Asks a question as an agent would, and returns it. */
export async function ask(
  agent: Client<typeof SessionService>,
  title: string,
  { interaction = TEXT, ...rest }: Ask = {},
): Promise<Session> {
  const { session } = await agent.createSession({
    title,
    interaction,
    projectName: "billing",
    clientName: "claude-code",
    ...rest,
  });
  return session!;
}

/** Waits until the service has an answer, and returns the session. */
export async function answered(agent: Client<typeof SessionService>, sessionId: string): Promise<Session> {
  const { session } = await agent.waitSession({ sessionId, untilEnded: true, wait: { seconds: 15n } });
  return session!;
}

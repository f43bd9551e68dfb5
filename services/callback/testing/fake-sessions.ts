import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  Reply_Disposition,
  type Session,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService, type SubmitReplyRequest } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";

/** The far side of matching. A test decides what goes wrong there. */
export interface FakeSessions {
  readonly client: Client<typeof SessionService>;
  /** What was handed over, oldest first, tries that failed included. */
  readonly submitted: SubmitReplyRequest[];
  /** As which tenant, in the same order. */
  readonly submittedAs: (string | null)[];
}

/**
 * `decide` is called at each hand-over with how many that message had before; what it throws is the answer. Without
 * `sessions` one session of the default tenant waits in every chat.
 */
export function createFakeSessions({
  decide = () => {},
  listed = () => {},
  sessions,
}: {
  decide?: (request: SubmitReplyRequest, earlier: number) => void;
  listed?: () => void;
  sessions?: readonly MessageInitShape<typeof SessionSchema>[];
} = {}): FakeSessions {
  const submitted: SubmitReplyRequest[] = [];
  const submittedAs: (string | null)[] = [];
  const known = sessions?.map((session) => create(SessionSchema, { state: Session_State.OPEN, ...session }));
  const client = createClient(
    SessionService,
    createRouterTransport(({ service }) =>
      service(SessionService, {
        findSessionsForReply({ by }) {
          listed();
          switch (by.case) {
            case "chat":
              return { sessions: known ? known.filter(isOpenIn(by.value)) : [sessionOf(by.value)] };
            case "shortId":
              return { sessions: known?.filter(({ shortId }) => shortId === by.value) ?? [] };
            default:
              return {};
          }
        },
        submitReply(request, { requestHeader }) {
          const earlier = submitted.filter((each) => each.inboundId === request.inboundId).length;
          submitted.push(request);
          submittedAs.push(requestHeader.get(TENANT_HEADER));
          decide(request, earlier);
          return { disposition: Reply_Disposition.ACCEPTED };
        },
      }),
    ),
  );
  return { client, submitted, submittedAs };
}

/** The session that waits in a chat. */
export function sessionIdOf(chatId: string): string {
  return `session-of-${chatId}`;
}

interface Place {
  readonly channelId: string;
  readonly chatId: string;
}

function sessionOf({ channelId, chatId }: Place): Session {
  return create(SessionSchema, {
    id: sessionIdOf(chatId),
    tenantId: DEFAULT_TENANT,
    state: Session_State.OPEN,
    audience: { targets: [{ channelId, chatId }] },
  });
}

function isOpenIn({ channelId, chatId }: Place): (session: Session) => boolean {
  return ({ state, audience }) =>
    state === Session_State.OPEN &&
    (audience?.targets ?? []).some(
      (target) => target.chatId === chatId && (target.channelId === "" || target.channelId === channelId),
    );
}

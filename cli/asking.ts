// What `hil ask` asks, from what was typed. Pure.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import {
  type AnswerPolicySchema,
  type Interaction,
  InteractionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import {
  type CreateSessionRequest,
  CreateSessionRequestSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { readAnswer } from "./answer-reading.ts";
import { readTimeout } from "./duration.ts";
import { CommandError, EXIT } from "./exit-code.ts";

export interface AskOptions {
  readonly confirm?: boolean;
  readonly choice?: readonly string[];
  readonly multiple?: boolean;
  readonly timeout?: string;
  readonly default?: string;
  readonly title?: string;
  readonly project?: string;
  readonly chatId?: string;
  readonly channel?: string;
  readonly requestId?: string;
  /** The language of our words around the question. Unset: the tenant's. */
  readonly locale?: string;
  /** Who alone may answer: members by id, roles, people by their vendor's user id. Unset: whoever may see it. */
  readonly byMember?: readonly string[];
  readonly byRole?: readonly Role[];
  readonly byUser?: readonly string[];
  /** Kept encrypted on disk. */
  readonly sensitive?: boolean;
}

/** Throws a CommandError with exit code 64 for what contradicts itself or cannot be read. */
export function askRequest(question: string, options: AskOptions, requestId: string): CreateSessionRequest {
  if (question.trim() === "") throw wrong('the question is empty: hil ask "Shall I go on?"');
  const interaction = interactionOf(options);
  const target = { channelId: options.channel ?? "", chatId: options.chatId ?? "" };
  const request = create(CreateSessionRequestSchema, {
    requestId: options.requestId ?? requestId,
    projectName: options.project ?? "",
    title: options.title ?? "",
    body: question,
    interaction,
    audience: target.channelId || target.chatId ? { targets: [target] } : undefined,
    clientName: "hil ask",
    locale: localeIn(options.locale),
    answerPolicy: answerPolicyOf(options),
    sensitive: options.sensitive ?? false,
  });
  if (options.timeout !== undefined) {
    const timeout = readTimeout(options.timeout);
    if (!timeout)
      throw wrong(`--timeout ${options.timeout} is no length of time: write 90s, 20m, 2h, 1d or none`);
    if (timeout.kind === "never") request.withoutDeadline = true;
    else request.timeout = durationFromMs(timeout.ms);
  }
  if (options.default !== undefined) {
    const reading = readAnswer(asTheServerReads(interaction), options.default);
    if (reading.kind !== "value") throw wrong(`--default ${options.default} is none of the options`);
    request.defaultAnswer = reading.value;
  }
  return request;
}

function answerPolicyOf({
  byMember = [],
  byRole = [],
  byUser = [],
}: AskOptions): MessageInitShape<typeof AnswerPolicySchema> | undefined {
  if (byMember.length + byRole.length + byUser.length === 0) return undefined;
  return { members: [...byMember], roles: [...byRole], userIds: [...byUser] };
}

function localeIn(text: string | undefined): string {
  if (text === undefined || text === "zh-CN" || text === "en") return text ?? "";
  throw wrong(`--locale ${text} is not known: write zh-CN or en`);
}

function interactionOf({ confirm, choice = [], multiple }: AskOptions): Interaction {
  if (confirm && choice.length > 0) throw wrong("use --confirm or --choice, not both");
  if (multiple && choice.length === 0) throw wrong("--multiple needs a --choice for each option");
  if (new Set(choice).size !== choice.length) throw wrong("two --choice are the same");
  if (choice.length > 0) {
    const options = choice.map((value) => ({ value }));
    const maxChoices = multiple ? choice.length : 1;
    return create(InteractionSchema, { kind: { case: "selection", value: { options, maxChoices } } });
  }
  return create(InteractionSchema, { kind: { case: confirm ? "confirmation" : "text", value: {} } });
}

/** A confirmation without options gets "yes" and "no" from the server, with labels in its language. */
function asTheServerReads(interaction: Interaction): Interaction {
  if (interaction.kind.case !== "confirmation") return interaction;
  const options = [{ value: "yes" }, { value: "no", refuses: true }];
  return create(InteractionSchema, { kind: { case: "confirmation", value: { options } } });
}

function wrong(message: string): CommandError {
  return new CommandError(EXIT.usage, message);
}

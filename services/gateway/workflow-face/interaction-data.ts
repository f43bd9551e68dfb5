// What a workflow sends to open a session, and the session that it asks for.
//
// Three forms are in use and all are taken: the long one (`interaction_data` within the body), the flat one (its
// keys at the top), and the architecture document's (`type`, `default`, options as strings).

import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  AnswerValueSchema,
  InteractionSchema,
  OptionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { CreateSessionRequestSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { z } from "zod";
import { BadRequest } from "../rest-error.ts";

/** How long people have when a request does not say: what the earlier component gave. */
const UNSAID_TIMEOUT_S = 300;
const MAX_TIMEOUT_S = 315_360_000;

/** Choosing one of these refuses what was asked, whatever the label says. */
const REFUSALS: ReadonlySet<string> = new Set([
  "cancel",
  "no",
  "reject",
  "deny",
  "refuse",
  "false",
  "取消",
  "否",
  "拒绝",
]);

export type OptionInit = MessageInitShape<typeof OptionSchema> & { value: string };
type InteractionInit = MessageInitShape<typeof InteractionSchema>;
type AnswerInit = MessageInitShape<typeof AnswerValueSchema>;

/** A value as programs send it: numbers and booleans stand for their text. */
export const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const option = z
  .union([
    scalar.transform((value) => ({ value, label: value })),
    z.object({ value: scalar, label: z.string().nullish(), description: z.string().nullish() }),
  ])
  .transform(
    (given): OptionInit => ({
      value: given.value,
      label: given.label ?? given.value,
      description: ("description" in given && given.description) || "",
      refuses: REFUSALS.has(given.value.toLowerCase()),
    }),
  );

/** Keys of every form; what is not here is ignored, as it was. */
const interactionData = z.object({
  interaction_type: z.string().nullish(),
  type: z.string().nullish(),
  title: z.string(),
  message: z.string().nullish(),
  description: z.string().nullish(),
  options: z.array(option).nullish(),
  fields: z.array(z.unknown()).nullish(),
  default_value: z.unknown().optional(),
  default: z.unknown().optional(),
  timeout: z.number().positive().max(MAX_TIMEOUT_S).nullish(),
  multiple: z.boolean().nullish(),
  context: z.unknown().optional(),
  sensitive: z.boolean().nullish(),
});

type InteractionData = z.infer<typeof interactionData>;

const envelope = z.object({
  interaction_data: z.record(z.string(), z.unknown()).nullish(),
  workflow_id: scalar.nullish(),
  callback_url: z.string().nullish(),
  tenant_id: scalar.nullish(),
  sensitive: z.boolean().nullish(),
});

/** What a body asks for. */
export interface WorkflowAsk {
  readonly session: MessageInitShape<typeof CreateSessionRequestSchema>;
  /** The timeout is ours, not the caller's. */
  readonly timeoutUnsaid: boolean;
  /** The tenant that the caller believes to be of. Empty: it does not say. */
  readonly tenantId: string;
}

/** Maps the body of POST /api/sessions. Throws a BadRequest that names the key that is wrong. */
export function readWorkflowAsk(body: unknown, requestId: string): WorkflowAsk {
  const outer = parse(envelope, body);
  const given = outer.interaction_data ?? (body as Record<string, unknown>);
  if (!Object.hasOwn(given, "interaction_type") && !Object.hasOwn(given, "type")) {
    throw new BadRequest(
      "interaction_data.interaction_type is missing; send confirmation, selection or text_input",
    );
  }
  const data = parse(interactionData, given);
  if (outer.callback_url) {
    throw new BadRequest(
      "callback_url is not served yet; poll GET /api/sessions/{session_id} for the response",
    );
  }
  if (data.fields?.length) {
    throw new BadRequest("fields are not served yet; ask one text_input without fields for each value");
  }
  const message = data.message ?? data.description;
  if (message === undefined || message === null) {
    throw new BadRequest("message is missing; send the text that people are to read");
  }
  const interaction = toInteraction(data);
  const defaultAnswer = toDefaultAnswer(data.default_value ?? data.default, interaction);
  return {
    timeoutUnsaid: data.timeout === undefined || data.timeout === null,
    tenantId: outer.tenant_id ?? "",
    session: {
      requestId,
      title: data.title.replace(/[\r\n]+/g, " ").trim(),
      body: message,
      interaction,
      ...(defaultAnswer && { defaultAnswer }),
      timeout: toDuration(data.timeout ?? UNSAID_TIMEOUT_S),
      correlationId: outer.workflow_id ?? "",
      clientName: "human-loop",
      context: toContext(data.context),
      sensitive: outer.sensitive ?? data.sensitive ?? false,
    },
  };
}

function toInteraction(data: InteractionData): InteractionInit {
  const type = data.interaction_type ?? data.type;
  const options = data.options ?? [];
  switch (type) {
    case "confirmation":
      return {
        kind: { case: "confirmation", value: { options: options.length > 0 ? options : PAGE_OPTIONS } },
      };
    case "selection": {
      if (options.length === 0) throw new BadRequest("options is missing; a selection needs at least one");
      // At least 2 marks "multiple", so that it can be told from the session, also with a single option.
      const maxChoices = data.multiple ? Math.max(2, options.length) : 1;
      return { kind: { case: "selection", value: { options, minChoices: 1, maxChoices } } };
    }
    case "text_input":
    case "input":
      return { kind: { case: "text", value: {} } };
    default:
      throw new BadRequest(
        `interaction_type ${JSON.stringify(type ?? null)} is not served; send confirmation, selection or text_input`,
      );
  }
}

/** What the earlier page showed for a confirmation without options. */
const PAGE_OPTIONS: OptionInit[] = [
  { value: "confirm", label: "确认" },
  { value: "cancel", label: "取消", refuses: true },
];

function toDefaultAnswer(given: unknown, { kind }: InteractionInit): AnswerInit | undefined {
  if (given === undefined || given === null) return undefined;
  switch (kind?.case) {
    case "confirmation":
      return { kind: { case: "confirmation", value: { value: parse(scalar, given, "default_value") } } };
    case "selection": {
      const values = Array.isArray(given) ? given : [given];
      return {
        kind: { case: "selection", value: { values: parse(z.array(scalar), values, "default_value") } },
      };
    }
    default: {
      const text = parse(scalar, given, "default_value");
      return text === "" ? undefined : { kind: { case: "text", value: { text } } };
    }
  }
}

function toDuration(seconds: number) {
  const whole = Math.floor(seconds);
  return { seconds: BigInt(whole), nanos: Math.round((seconds - whole) * 1000) * 1_000_000 };
}

/** Facts beside the question: an object's entries, or one text. */
function toContext(given: unknown): { key: string; value: string }[] {
  if (typeof given === "string") return given === "" ? [] : [{ key: "context", value: given }];
  if (typeof given !== "object" || given === null) return [];
  return Object.entries(given).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? value : JSON.stringify(value),
  }));
}

/** Checks a value. Throws a BadRequest that names each key that is wrong, below `name`. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, name = ""): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const where = [name, ...issue.path.map(String)].filter(Boolean).join(".");
    return `${where || "body"}: ${issue.message}`;
  });
  throw new BadRequest(faults.slice(0, 5).join("; "));
}

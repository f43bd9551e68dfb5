// Turns a request into a session, or says what is wrong with it.

import { hash } from "node:crypto";
import { create, equals, toBinary } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import {
  AskerSchema,
  AttachmentSchema,
  type Audience,
  DeliverySummary_State,
  DeliverySummarySchema,
  type Interaction,
  type Option,
  type Session,
  Session_Outcome,
  Session_State,
  SessionSchema,
  TargetSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import {
  type CreateSessionRequest,
  CreateSessionRequestSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { shortId, uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { toFileName } from "@hil/platform/pictures/file-name.ts";
import { inspectPicture } from "@hil/platform/pictures/picture.ts";
import { tracePlace } from "@hil/platform/telemetry/tracing.ts";
import { checkAnswerPolicy } from "./answer-policy.ts";
import { checkAnswer } from "./check-answer.ts";
import type { NewSession } from "./session-store.ts";
import { checkChats, type TenantSettings } from "./tenant-settings.ts";
import { type Locale, yesAndNo } from "./texts.ts";

/** The most bytes of all pictures of one question. */
export const MAX_ATTACHMENT_BYTES = 6 * 1024 * 1024;

/**
 * The session that a request asks for, at version 1. Throws INVALID_REQUEST, ANSWER_INVALID, CHAT_NOT_ALLOWED or
 * DEADLINE_….
 */
export function newSession(
  request: CreateSessionRequest,
  { principal, settings, now }: { principal: Principal; settings: TenantSettings; now: Date },
): NewSession {
  if (!request.title.trim() && !request.body.trim()) {
    throw invalid("body", "title and body are both empty; say what is asked in one of them");
  }
  const locale = (request.locale || settings.locale) as Locale;
  const interaction = completed(request.interaction!, locale);
  const id = uuidV7(now.getTime());
  const audience = addressed(request.audience, settings);
  checkChats(audience?.targets ?? [], settings);
  if (request.answerPolicy) checkAnswerPolicy(request.answerPolicy);
  const time = timestampFromDate(now);
  if (request.defaultAnswer) checkAnswer(interaction, request.defaultAnswer, id);
  // Written out, and not made by create(): an object of that many fields that is put together by name is one that V8
  // copies, and every change of a session is a copy, at fifty times the cost.
  const session: Session = {
    $typeName: "hil.session.v1.Session",
    id,
    shortId: shortId(),
    tenantId: principal.tenantId,
    projectName: request.projectName,
    title: request.title,
    body: request.body,
    interaction,
    audience,
    defaultAnswer: request.defaultAnswer,
    state: Session_State.OPEN,
    outcome: Session_Outcome.UNSPECIFIED,
    version: 1n,
    asker: create(AskerSchema, {
      principalId: principal.id,
      clientName: request.clientName,
      runId: request.runId,
    }),
    correlationId: request.correlationId,
    labels: request.labels,
    context: request.context,
    attachments: described(request.attachments),
    locale,
    createTime: time,
    updateTime: time,
    expireTime: deadline(request, interaction, settings, now),
    endTime: undefined,
    takenTime: undefined,
    endReason: "",
    answer: undefined,
    replies: [],
    deliveries: (audience?.targets ?? []).map((target, index) =>
      create(DeliverySummarySchema, {
        deliveryId: `${id}/${index + 1}`,
        target,
        state: DeliverySummary_State.PENDING,
        updateTime: time,
      }),
    ),
    answerPolicy: request.answerPolicy,
    sensitive: request.sensitive,
    traceparent: tracePlace(),
  };
  return {
    session,
    request: request.requestId ? { id: request.requestId, digest: contentDigest(request) } : undefined,
    attachments: request.attachments.map((each) => each.data),
    quotas: settings.limits && {
      open_sessions: settings.limits.openSessions,
      attachment_bytes: Number(settings.limits.attachmentBytes),
    },
  };
}

/**
 * What makes two requests of one id the same: everything but the names of the try itself. Labels are sorted,
 * because a map has no order of its own.
 */
export function contentDigest(request: CreateSessionRequest): Uint8Array {
  const content = {
    ...request,
    requestId: "",
    clientName: "",
    runId: "",
    wait: undefined,
    labels: Object.fromEntries(Object.entries(request.labels).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  return hash("sha256", toBinary(CreateSessionRequestSchema, content), "buffer");
}

/** Checks a deadline against what the tenant allows. Throws DEADLINE_BELOW_FLOOR or DEADLINE_ABOVE_MAXIMUM. */
export function checkTimeout(
  timeoutMs: number | undefined,
  { minTimeoutMs, maxTimeoutMs }: Pick<TenantSettings, "minTimeoutMs" | "maxTimeoutMs">,
): void {
  if (timeoutMs !== undefined && timeoutMs < minTimeoutMs) {
    throw hilError(
      Code.InvalidArgument,
      ErrorReason.DEADLINE_BELOW_FLOOR,
      `a timeout of ${timeoutMs / 1000} s is below the floor of ${minTimeoutMs / 1000} s that this tenant sets (HIL_MIN_TIMEOUT)`,
      { timeout: `${timeoutMs / 1000}s`, floor: `${minTimeoutMs / 1000}s` },
    );
  }
  if (maxTimeoutMs !== undefined && (timeoutMs === undefined || timeoutMs > maxTimeoutMs)) {
    const asked = timeoutMs === undefined ? "no deadline" : `a timeout of ${timeoutMs / 1000} s`;
    throw hilError(
      Code.InvalidArgument,
      ErrorReason.DEADLINE_ABOVE_MAXIMUM,
      `${asked} is above the maximum of ${maxTimeoutMs / 1000} s that this tenant sets (HIL_MAX_TIMEOUT)`,
      {
        timeout: timeoutMs === undefined ? "none" : `${timeoutMs / 1000}s`,
        maximum: `${maxTimeoutMs / 1000}s`,
      },
    );
  }
}

function deadline(
  request: CreateSessionRequest,
  interaction: Interaction,
  settings: TenantSettings,
  now: Date,
) {
  if (request.withoutDeadline) {
    if (request.timeout)
      throw invalid("timeout", "timeout and without_deadline exclude each other; send one");
    checkTimeout(undefined, settings);
    return undefined;
  }
  const isNotice = interaction.kind.case === "notice";
  const timeoutMs = request.timeout
    ? durationMs(request.timeout)
    : isNotice
      ? settings.noticeTimeoutMs
      : settings.defaultTimeoutMs;
  if (request.timeout) checkTimeout(timeoutMs, settings);
  return timestampFromDate(new Date(now.getTime() + timeoutMs));
}

/** The interaction with its defaults filled in, so that everybody after this reads the same. */
function completed(interaction: Interaction, locale: Locale): Interaction {
  const { kind } = interaction;
  switch (kind.case) {
    case "confirmation": {
      if (kind.value.options.length > 0) {
        checkOptions(kind.value.options);
        return interaction;
      }
      const { yes, no } = yesAndNo(locale);
      const options = [
        { value: "yes", label: yes },
        { value: "no", label: no, refuses: true },
      ];
      return create(SessionSchema, { interaction: { kind: { case: "confirmation", value: { options } } } })
        .interaction!;
    }
    case "selection": {
      const { options, minChoices, maxChoices } = kind.value;
      checkOptions(options);
      if (minChoices > options.length) {
        throw invalid(
          "interaction.selection.min_choices",
          `min_choices is ${minChoices}, but there are only ${options.length} options`,
        );
      }
      if (maxChoices !== 0 && maxChoices < minChoices) {
        throw invalid(
          "interaction.selection.max_choices",
          `max_choices (${maxChoices}) is below min_choices (${minChoices})`,
        );
      }
      return interaction;
    }
    case "text":
      if (kind.value.maxLength !== 0 && kind.value.maxLength < kind.value.minLength) {
        throw invalid(
          "interaction.text.max_length",
          `max_length (${kind.value.maxLength}) is below min_length (${kind.value.minLength})`,
        );
      }
      return interaction;
    default:
      return interaction;
  }
}

function checkOptions(options: readonly Option[]): void {
  const seen = new Set<string>();
  for (const { value } of options) {
    if (seen.has(value))
      throw invalid(
        "interaction.options",
        `the option value ${JSON.stringify(value)} stands twice; values must differ`,
      );
    seen.add(value);
  }
}

/** The audience with the channel filled in that UNSPECIFIED stands for, and no chat twice. */
function addressed(audience: Audience | undefined, { chatChannelId }: TenantSettings): Audience | undefined {
  if (!audience) return undefined;
  const targets = audience.targets.map((target) => ({
    ...target,
    channelId: target.channelId || chatChannelId,
  }));
  const distinct = targets.filter(
    (target, index) => targets.findIndex((other) => equals(TargetSchema, other, target)) === index,
  );
  return { ...audience, targets: distinct };
}

function described(attachments: CreateSessionRequest["attachments"]) {
  const total = attachments.reduce((sum, each) => sum + each.data.length, 0);
  if (total > MAX_ATTACHMENT_BYTES) {
    throw invalid(
      "attachments",
      `the pictures have ${total} bytes together; at most ${MAX_ATTACHMENT_BYTES} are taken`,
    );
  }
  return attachments.map(({ name, data }, index) => {
    const picture = inspectPicture(data);
    if (picture.kind === "refused") {
      throw invalid("attachments", `attachment ${index + 1} is not taken: the picture ${picture.problem}`);
    }
    return create(AttachmentSchema, {
      number: index + 1,
      name: toFileName(name),
      mediaType: picture.mediaType,
      sizeBytes: BigInt(data.length),
      sha256: hash("sha256", data),
    });
  });
}

function invalid(field: string, message: string) {
  return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, message, { field, rule: "consistent" });
}

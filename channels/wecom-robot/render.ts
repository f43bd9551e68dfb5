// How a session looks as messages of the robot: the form of the earlier system, which people know and quote.
//
//   [#1f0c9ab2 demo] (1/2)          the tag that a quoting reply is matched by
//   Deploy build 214?               title and body
//   environment: production         context
//   1. Yes                          options
//   2. No
//   Please reply within 20 minutes; …
//   Please quote this message …     only on the last part
//
// With a tenant's template, its words stand in place of all but the tag. What the deadline decides by itself is always
// said, whether the template says it or not.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type AnswerValue,
  type Option,
  ReplyMatching,
  type Session,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { renderTemplate } from "@hil/platform/templates/message-template.ts";
import { type Locale, localeOf, type Part, type SessionWords } from "../channel.ts";
import { defused, defusedLine } from "./hostile-text.ts";
import { byteLength, splitText, takeBytes } from "./split-text.ts";
import { type Ask, closingLine, cutNotice, dangerMark, deadlineLine } from "./texts.ts";

export interface RenderLimits {
  /** Most bytes of a text message. */
  readonly maxTextBytes: number;
  /** Most bytes of a markdown message. */
  readonly maxMarkdownBytes: number;
}

/** Most bytes of the project in the header, so that a long name leaves room for the question. */
const PROJECT_BYTES = 120;
/** Most characters of one context value in a chat; the console shows all of it. */
const CONTEXT_CHARACTERS = 500;
/** Most bytes of the default answer in the sentence that names it. */
const DEFAULT_ANSWER_BYTES = 120;

/** The messages of a session: text in one or more parts, then each picture. `inChat`: the robot hears replies. */
export function renderSession(
  session: Session,
  limits: RenderLimits,
  { inChat }: { inChat: boolean },
  { template }: SessionWords = { template: undefined },
): Part[] {
  const locale = localeOf(session);
  const pieces = piecesOf(session, locale, inChat);
  const texts = splitText({
    header: isUntagged(session) ? "" : headerOf(session),
    ...(template === undefined ? inOurWords(pieces) : inTheirWords(template, pieces)),
    maxBytes: limits.maxTextBytes,
    cutNotice: cutNotice(locale),
  });
  return [
    // Mentions go with the first part only: each would ring the same people again.
    ...texts.map((text, index) => ({
      kind: "text" as const,
      text,
      mentions: index === 0 ? (session.audience?.mentions ?? []) : [],
    })),
    ...session.attachments.map(({ number }) => ({ kind: "image" as const, number })),
  ];
}

/** The messages of something that HIL itself says. */
export function renderNotice(markdown: string, limits: RenderLimits): Part[] {
  const texts = splitText({
    header: "",
    content: markdown.toWellFormed(),
    closing: "",
    maxBytes: limits.maxMarkdownBytes,
    cutNotice: "…",
  });
  return texts.map((text) => ({ kind: "markdown", text }));
}

/** "[#1f0c9ab2 demo]", or "[#1f0c9ab2]" without a project. */
export function headerOf({ shortId, projectName }: Pick<Session, "shortId" | "projectName">): string {
  const project = defusedLine(projectName).replaceAll("]", "］").trim();
  const shown = byteLength(project) > PROJECT_BYTES ? `${takeBytes(project, PROJECT_BYTES - 3)}…` : project;
  return shown === "" ? `[#${shortId}]` : `[#${shortId} ${shown}]`;
}

/** What a message can say. Lists are lines; what there is nothing to say of is empty. */
interface Pieces {
  readonly title: string;
  readonly body: string;
  readonly context: string;
  readonly options: string;
  readonly instructions: string;
  readonly deadline: string;
  readonly asker: string;
  /** The deadline answers by itself where nobody does. */
  readonly decidesItself: boolean;
}

function piecesOf(session: Session, locale: Locale, inChat: boolean): Pieces {
  const ask = askOf(session);
  const options = optionsOf(session).map((option, index) => {
    const description = option.description ? ` - ${defusedLine(option.description)}` : "";
    return `${index + 1}. ${labelOf(option)}${option.dangerous ? dangerMark(locale) : ""}${description}`;
  });
  const context = session.context.map(
    ({ key, value }) => `${defusedLine(key)}: ${shortened(defused(value), CONTEXT_CHARACTERS)}`,
  );
  const defaultAnswer = defaultAnswerOf(session);
  const quotedOnly = session.audience?.replyMatching === ReplyMatching.QUOTED;
  return {
    title: defusedLine(session.title).trim(),
    body: defused(session.body).trim(),
    context: context.join("\n"),
    options: options.join("\n"),
    instructions: ask ? closingLine(ask, { inChat, quotedOnly, locale }) : "",
    deadline: ask ? deadlineOf(session, defaultAnswer, locale) : "",
    asker: defusedLine(session.asker?.clientName ?? "").trim(),
    decidesItself: defaultAnswer !== undefined,
  };
}

function deadlineOf(
  { expireTime, createTime }: Session,
  defaultAnswer: string | undefined,
  locale: Locale,
): string {
  if (!expireTime || !createTime) return "";
  return deadlineLine(timestampMs(expireTime) - timestampMs(createTime), defaultAnswer, locale);
}

function inOurWords({ title, body, context, options, deadline, instructions }: Pieces): Words {
  const heading = title === body ? "" : title;
  const content = [heading, body, context, options].filter((piece) => piece !== "").join("\n");
  const closing = [deadline, instructions].filter((line) => line !== "").join("\n");
  // As a whole once more: two harmless pieces can make a tag together.
  return { content: defused(content), closing };
}

/** The words of a template; where they do not say what the deadline decides, that follows. */
function inTheirWords(template: string, { decidesItself, ...pieces }: Pieces): Words {
  const content = defused(renderTemplate(template, pieces));
  return { content, closing: decidesItself && !content.includes(pieces.deadline) ? pieces.deadline : "" };
}

interface Words {
  readonly content: string;
  readonly closing: string;
}

/** What a person is asked to do. Undefined: nothing, it is a notice, or a kind that this version does not know. */
function askOf({ interaction }: Session): Ask | undefined {
  const kind = interaction?.kind;
  switch (kind?.case) {
    case "text":
      return { kind: "text" };
    case "confirmation":
      return { kind: "choose", least: 1, most: 1, otherAllowed: false };
    case "selection": {
      const most = kind.value.maxChoices || 1;
      return {
        kind: "choose",
        least: kind.value.minChoices || 1,
        most,
        otherAllowed: kind.value.otherAllowed,
      };
    }
    case "notice":
    case undefined:
      return undefined;
  }
}

function optionsOf({ interaction }: Session): readonly Option[] {
  const kind = interaction?.kind;
  return kind?.case === "confirmation" || kind?.case === "selection" ? kind.value.options : [];
}

function isUntagged({ interaction }: Session): boolean {
  return interaction?.kind.case === "notice" && interaction.kind.value.untagged;
}

function labelOf(option: Option): string {
  return defusedLine(option.label || option.value);
}

function defaultAnswerOf(session: Session): string | undefined {
  if (!session.defaultAnswer) return undefined;
  const text = defusedLine(answerText(session.defaultAnswer, optionsOf(session)));
  return byteLength(text) > DEFAULT_ANSWER_BYTES ? `${takeBytes(text, DEFAULT_ANSWER_BYTES - 3)}…` : text;
}

function answerText({ kind }: AnswerValue, options: readonly Option[]): string {
  const label = (value: string) => options.find((option) => option.value === value)?.label || value;
  switch (kind.case) {
    case "text":
      return kind.value.text;
    case "confirmation":
      return label(kind.value.value);
    case "selection":
      return [...kind.value.values.map(label), kind.value.other].filter(Boolean).join(", ");
    case undefined:
      return "";
  }
}

function shortened(text: string, most: number): string {
  const points = [...text];
  return points.length > most ? `${points.slice(0, most - 1).join("")}…` : text;
}

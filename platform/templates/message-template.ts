// A tenant's own words for messages to people.
//
// P1. A template is read once, from its own text: a value that holds braces stays a value.
// P2. A placeholder that its kind does not have, and a brace that belongs to none, is refused when it is saved. A brace
//     to be shown is written twice: "{{" and "}}".
// P3. A line that holds a placeholder and nothing but spaces goes where the placeholder is empty, so that a question
//     without options leaves no gap.

import { type MessageTemplate, MessageTemplate_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";

type Template = Pick<MessageTemplate, "kind" | "locale" | "text">;

/** Which placeholders each kind has, and which of them must be there: without it the message would say nothing. */
const PLACEHOLDERS: Readonly<
  Partial<Record<MessageTemplate_Kind, { names: readonly string[]; required: string }>>
> = {
  [MessageTemplate_Kind.QUESTION]: {
    names: ["title", "body", "context", "options", "instructions", "deadline", "asker"],
    required: "body",
  },
  [MessageTemplate_Kind.NOTICE]: { names: ["title", "body", "context", "asker"], required: "body" },
  [MessageTemplate_Kind.CHAT_ID_HINT]: { names: ["chat_id", "chat_type", "sender"], required: "chat_id" },
  [MessageTemplate_Kind.SEVERAL_HINT]: { names: ["sender", "candidates"], required: "candidates" },
};

/** A placeholder, a doubled brace, or a brace that is neither. */
const BRACES = /\{\{|\}\}|\{([a-z_]{1,30})\}|[{}]/g;
/** The tag of a session in anybody's hand but ours. */
const TAG = /\[[\s\p{Cf}]*#/u;

/** Why a template cannot be taken, in words. Undefined: it can. */
export function checkTemplate({ kind, text }: Template): string | undefined {
  const known = PLACEHOLDERS[kind];
  if (!known) return "this kind of template is not known";
  if (TAG.test(text)) return 'leave out "[#…]": the tag is put in front of every message by itself';
  const used = new Set<string>();
  for (const match of text.matchAll(BRACES)) {
    const name = match[1];
    if (match[0] === "{{" || match[0] === "}}") continue;
    if (name === undefined) {
      return `the brace at character ${match.index + 1} belongs to no placeholder; write {{ or }} to show one`;
    }
    if (!known.names.includes(name)) {
      const names = known.names.map((each) => `{${each}}`).join(" ");
      return `there is no placeholder {${name}} here; there are ${names}`;
    }
    used.add(name);
  }
  if (!used.has(known.required)) return `{${known.required}} is missing; without it the message says nothing`;
  return undefined;
}

/** The text with its placeholders filled. A placeholder without a value is empty. */
export function renderTemplate(text: string, values: Readonly<Record<string, string>>): string {
  const lines: string[] = [];
  for (const line of text.replaceAll("\r\n", "\n").split("\n")) {
    const filled = line.replace(BRACES, (braces: string, name: string | undefined) => {
      if (name !== undefined) return Object.hasOwn(values, name) ? values[name]! : "";
      return braces[0]!;
    });
    if (filled.trim() === "" && /^\s*(?:\{[a-z_]+\}\s*)+$/.test(line)) continue;
    lines.push(filled);
  }
  return lines.join("\n").trim();
}

/** The text for a kind in a language: the template of that language, or the one for every language. */
export function templateFor(
  templates: readonly Template[],
  kind: MessageTemplate_Kind,
  locale: string,
): string | undefined {
  const ofKind = templates.filter((template) => template.kind === kind);
  return (
    ofKind.find((template) => template.locale === locale) ?? ofKind.find((template) => template.locale === "")
  )?.text;
}

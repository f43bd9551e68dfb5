// What is said to be secret: passwords and tokens in assignments, headers, command lines and addresses.
//
//   DB_PASSWORD=hunter2   password: "hunter 2"   密码：hunter2   --token abc123…   Authorization: Basic …
//   postgres://hil:hunter2@db   https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…
//
// The name stays and the value goes. A value that is a plain word ("token: expired", "password: required") is talk.

import { type Finder, type Finding, placeholderOf } from "./finding.ts";
import { looksDrawn } from "./tokens.ts";

const PASSWORD = placeholderOf("password");
const SECRET = placeholderOf("secret");

const PASSWORD_NAMES = "passwords?|passwd|passphrase|pwd|密码|口令";
const SECRET_NAMES =
  "secrets?|tokens?|(?:api|access|secret|private|account|bot|master|encryption|signing)[_ -]?keys?(?:[_ -]?id)?|credentials?|密钥|秘钥|令牌|凭证|凭据";

/** A name, which may be the end of a longer one ("dbPassword"), and what stands between it and its value. */
const ASSIGNMENT = new RegExp(
  `(?:(${PASSWORD_NAMES})|${SECRET_NAMES})[0-9]{0,3}["'\`\\])]{0,2}` +
    "(?:[ \\t]{0,8}(:=|=>|==?|＝|[:：])|[ \\t]{1,4}is[ \\t]{1,4}:?|[ \\t]{0,2}[是为][ \\t]?[:：]?)[ \\t]{0,8}",
  "gi",
);
const OPTION =
  /(?<!\S)--?(?:(password|passwd|pwd)|[a-z-]{0,30}(?:token|secret|api-?key))[ \t]{1,4}(?=[^\s-])/gi;
const BEARER = /\b(?:bearer|token)[ \t]{1,4}(?=[A-Za-z0-9._~+/=-]{16})/gi;
const AUTHORIZATION =
  /\bauthorization["']?[ \t]{0,4}[:=][ \t]{0,4}["']?(?:[A-Za-z]{3,20}[ \t]{1,4})?(?=[^\s"'])/gi;
const USERINFO = /[a-z][a-z0-9+.-]{1,20}:\/\/(?=[^\s/?#@[\]]{1,500}@)/gi;
const QUERY =
  /[?&;](?:[\w.-]{0,40}(?:token|secret|sig|signature|password|passwd|pwd|credential|(?:api|access|secret|auth)[_-]?key)|(key))=/gi;
const KEY_AND_UUID =
  /\bkey[ \t]{0,2}[=:：][ \t]{0,2}(?=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-]))/gi;
/** Addresses whose path is the key. */
const WEBHOOK =
  /https:\/\/(?:hooks\.slack\.com\/(?:services|workflows|triggers)|discord(?:app)?\.com\/api\/webhooks|open\.(?:feishu\.cn|larksuite\.com)\/open-apis\/bot\/v2\/hook|[\w.-]{1,60}\.webhook\.office\.com\/webhookb2)\/(?=[^\s/])/gi;

/** What people write in place of a secret. */
const TALK =
  /^(?:true|false|yes|no|none|null|nil|undefined|empty|unset|required|optional|missing|wrong|invalid|incorrect|expired|rejected|unchanged|changed|reset|hidden|redacted|masked|string|text|number|boolean|please|enter|see|set|use|the|your|my|a|an|and|or|is|was|in|on|at|to|of|not|already|too|must|will|can|should|has|needs?|for|from|with|<[^>]*>|\*+|x+|\.+|…+|\$\{?[A-Za-z_]\w*\}?|\{\{?[^}]*\}?\})$/i;

/** Where a value without quotes ends: blanks, quotes, and the words of the sentence around it. */
const VALUE_END = /[\s"'`<>\u3000-\u303f\u3400-\u9fff\uff00-\uffef]/g;
const QUERY_END = /[\s&#?;"'`<>)\]\u3000-\u303f\u3400-\u9fff\uff00-\uffef]/g;
const HOST_END = /[\s/?#]/g;
/** A value that is longer is looked through once only, whatever it is: time stays in proportion to the text. */
const LONG = 64;

export const findAssignments: Finder = (text) => {
  const findings: Finding[] = [];
  const take = (start: number, end: number, placeholder: string) => {
    if (end > start) findings.push({ start, end, placeholder });
  };

  let covered = 0;
  for (const match of text.matchAll(ASSIGNMENT)) {
    if (match.index < covered) continue;
    const { start, end, quoted } = valueAt(text, match.index + match[0].length);
    const operator = match[2];
    const isPassword = match[1] !== undefined;
    const how =
      quoted || (operator?.includes("=") && match[0].endsWith(operator))
        ? "code"
        : operator
          ? "list"
          : "prose";
    const secret = isSecret(text.slice(start, end), isPassword, how);
    if (secret) take(start, end, isPassword ? PASSWORD : SECRET);
    if (secret || end - start > LONG) covered = end;
  }
  for (const match of text.matchAll(OPTION)) {
    const { start, end } = valueAt(text, match.index + match[0].length);
    const isPassword = match[1] !== undefined;
    if (isSecret(text.slice(start, end), isPassword, "list"))
      take(start, end, isPassword ? PASSWORD : SECRET);
  }
  for (const match of text.matchAll(BEARER)) {
    const { start, end } = valueAt(text, match.index + match[0].length);
    if (looksDrawn(text.slice(start, end))) take(start, end, SECRET);
  }
  for (const match of text.matchAll(AUTHORIZATION)) {
    const { start, end } = valueAt(text, match.index + match[0].length);
    const value = text.slice(start, end);
    if (value.length >= 6 && (looksDrawn(value) || value.endsWith("="))) take(start, end, SECRET);
  }
  for (const match of text.matchAll(USERINFO)) {
    const start = match.index + match[0].length;
    const end = text.lastIndexOf("@", endOf(text, start, HOST_END) - 1);
    const userinfo = text.slice(start, end);
    // "ssh://git@…" names a user and no secret.
    if (userinfo.includes(":") || (userinfo.length >= 16 && looksDrawn(userinfo))) take(start, end, PASSWORD);
  }
  for (const match of text.matchAll(QUERY)) {
    const start = match.index + match[0].length;
    const end = endOf(text, start, QUERY_END);
    const value = text.slice(start, end);
    const isBareKey = match[1] !== undefined; // "?key=PROJ-1234" names something
    if (value.length >= (isBareKey ? 16 : 8) && (!isBareKey || looksDrawn(value))) take(start, end, SECRET);
  }
  for (const match of text.matchAll(KEY_AND_UUID)) {
    const start = match.index + match[0].length;
    take(start, start + 36, SECRET);
  }
  for (const match of text.matchAll(WEBHOOK)) {
    const start = match.index + match[0].length;
    take(start, endOf(text, start, VALUE_END), SECRET);
  }
  return findings;
};

/**
 * Whether a value is a secret, by how it is said:
 *
 *   code  - "token=abc", "token: 'abc'": a value, whatever it looks like.
 *   list  - "token: abc": a value, or a word about it.
 *   prose - "the token is abc": more likely a word.
 */
function isSecret(value: string, isPassword: boolean, how: "code" | "list" | "prose"): boolean {
  if (TALK.test(value)) return false;
  if (how === "prose")
    return value.length >= 4 && (looksDrawn(value) || /[^A-Za-z0-9]/.test(value.slice(0, -1)));
  if (isPassword) return value.length >= 3;
  if (/^[0-9]{1,15}$/.test(value)) return false; // "tokens=4096"
  if (how === "code") return value.length >= 8;
  return value.length >= 8 && (looksDrawn(value) || value.length >= 24);
}

/** The value at a place: what stands in quotes, or what goes on up to a blank. */
function valueAt(text: string, at: number): { start: number; end: number; quoted: boolean } {
  const quote = text[at];
  if (quote === '"' || quote === "'" || quote === "`") {
    const start = at + 1;
    return { start, end: endOf(text, start, new RegExp(`[${quote}\\n]`, "g")), quoted: true };
  }
  let end = endOf(text, at, VALUE_END);
  // What closes the sentence or the list is not part of the value.
  while (end > at && /[,;.!?)\]}&]/.test(text[end - 1]!)) end -= 1;
  return { start: at, end, quoted: false };
}

/** Where the first of these characters stands, or the end of the text. `stop` is global. */
function endOf(text: string, start: number, stop: RegExp): number {
  stop.lastIndex = start;
  return stop.exec(text)?.index ?? text.length;
}

// Keys and tokens that show by their form whose they are, and JSON Web Tokens.
//
// Each form is the start that its maker documents; from there the token goes on as long as its characters do, so that
// none is cut in the middle. Every repetition in a pattern has an upper bound: the time is in proportion to the text.

import { endOfRun, type Finder, type Finding, isTokenCharacter, placeholderOf } from "./finding.ts";

const API_KEY = placeholderOf("API key");
const JWT = placeholderOf("token");

const JWT_START = "eyJ[A-Za-z0-9_-]{8}";

/** Where a form begins: not inside a word. */
const WORD_START = "(?<![A-Za-z0-9])";

/** Starts after which letters, digits, "_" and "-" belong to the key, and how many there are at least. */
const STARTS = [
  "gh[pousr]_[A-Za-z0-9]{30}", // GitHub
  "github_pat_[A-Za-z0-9_]{20}",
  "gl(?:pat|dt|rt|ft|soat|cbt|ptt|agent|oas|imt|ffct)-[A-Za-z0-9_-]{16}", // GitLab
  "GR1348941[A-Za-z0-9_-]{16}",
  "xox[abceoprs][-.][A-Za-z0-9-]{8}", // Slack
  "xapp-[A-Za-z0-9-]{10}",
  "AIza[A-Za-z0-9_-]{30}", // Google
  "GOCSPX-[A-Za-z0-9_-]{20}",
  "ya29\\.[A-Za-z0-9_-]{15}",
  "(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10}", // Stripe
  "whsec_[A-Za-z0-9+/]{16}",
  "npm_[A-Za-z0-9]{30}",
  "pypi-[A-Za-z0-9_-]{40}",
  "dckr_(?:pat|oat)_[A-Za-z0-9_-]{16}",
  "hf_[A-Za-z0-9]{30}", // Hugging Face
  "gsk_[A-Za-z0-9]{30}", // Groq
  "xai-[A-Za-z0-9]{30}",
  "AKID[A-Za-z0-9]{28}", // Tencent Cloud
  "LTAI[A-Za-z0-9]{12}", // Alibaba Cloud
  "do[opr]_v1_[a-f0-9]{40}", // DigitalOcean
  "shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", // Shopify
  "hv[sbr]\\.[A-Za-z0-9_-]{20}", // HashiCorp Vault
  "ATATT3x[A-Za-z0-9_=-]{20}", // Atlassian
  "lin_api_[A-Za-z0-9]{20}", // Linear
  "ntn_[A-Za-z0-9]{20}", // Notion
  "sntry[su]_[A-Za-z0-9+/=_-]{20}", // Sentry
  "SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{16}", // SendGrid
  "dp\\.pt\\.[A-Za-z0-9]{20}", // Doppler
  "AGE-SECRET-KEY-1[A-Z0-9]{20}",
  JWT_START, // JSON Web Tokens, signed and encrypted
];

/** The same, of forms that words with hyphens or underscores could have too: only where they look drawn by lot. */
const LIKELY_STARTS = [
  "sk-[A-Za-z0-9_-]{20}", // OpenAI, Anthropic and others
  "hil_[a-z]{2,20}_[A-Za-z0-9_-]{16}", // HIL
];

/** Forms of a fixed length. */
const WHOLE = [
  "(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA|ANVA|APKA)[A-Z0-9]{16}(?![A-Za-z0-9])", // AWS
  "SK[0-9a-f]{32}(?![A-Za-z0-9])", // Twilio
  "key-[0-9a-f]{32}(?![A-Za-z0-9])", // Mailgun
  "[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])", // Telegram
];

const starts = new RegExp(`${WORD_START}(?:${STARTS.join("|")})`, "g");
const likelyStarts = new RegExp(`${WORD_START}(?:${LIKELY_STARTS.join("|")})`, "g");
const whole = new RegExp(`${WORD_START}(?:${WHOLE.join("|")})`, "g");

export const findTokens: Finder = (text) => {
  const findings: Finding[] = [];
  // What a token goes on with is not looked through again: "sk-…-sk-…-sk-…" would take time in square.
  let covered = 0;
  for (const match of text.matchAll(starts)) {
    if (match.index < covered) continue;
    const isJwt = match[0].startsWith("eyJ");
    const isPart = isJwt || match[0].includes(".") ? isDottedTokenCharacter : isKeyCharacter;
    const end = withoutFullStop(text, endOfRun(text, match.index, isPart));
    covered = end;
    if (isJwt && !/\.[^.]/.test(text.slice(match.index, end))) continue;
    findings.push({ start: match.index, end, placeholder: isJwt ? JWT : API_KEY });
  }
  covered = 0;
  for (const match of text.matchAll(likelyStarts)) {
    if (match.index < covered) continue;
    covered = endOfRun(text, match.index, isTokenCharacter);
    // A key's first word is its form: "sk-", "hil_owner_".
    const drawn = text.slice(match.index, covered).replace(/^(?:sk-|hil_[a-z]+_)/, "");
    if (looksDrawn(drawn)) findings.push({ start: match.index, end: covered, placeholder: API_KEY });
  }
  for (const match of text.matchAll(whole)) {
    findings.push({ start: match.index, end: match.index + match[0].length, placeholder: API_KEY });
  }
  return findings;
};

/** Whether a text looks drawn by lot rather than written: it mixes what words and numbers do not. */
export function looksDrawn(text: string): boolean {
  return /[0-9]/.test(text) ? /[A-Za-z]/.test(text) : /[a-z]/.test(text) && /[A-Z]/.test(text);
}

/** Base64 has "+", "/" and "=" too. */
function isKeyCharacter(code: number): boolean {
  return isTokenCharacter(code) || code === 0x2b || code === 0x2f || code === 0x3d;
}

function isDottedTokenCharacter(code: number): boolean {
  return isTokenCharacter(code) || code === 0x2e;
}

/** The full stop of the sentence is not part of the token. */
function withoutFullStop(text: string, end: number): number {
  let cut = end;
  while (text[cut - 1] === ".") cut -= 1;
  return cut;
}

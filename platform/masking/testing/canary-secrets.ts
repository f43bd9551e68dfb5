// Secrets to look for where none may be: made up, but in the form of real ones.

import { createHmac } from "node:crypto";

export interface Canary {
  readonly kind: string;
  /** What must not be seen anywhere. */
  readonly secret: string;
  /** How it stands in a text. */
  readonly shown: string;
}

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const URL_SAFE = `${ALPHANUMERIC}_-`;
const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX = "0123456789abcdef";

/** So many different secrets, the kinds in turn; the same every time. */
export function canarySecrets(count: number): Canary[] {
  return Array.from({ length: count }, (_, index) => KINDS[index % KINDS.length]!(sourceOf(index)));
}

interface Source {
  of(alphabet: string, length: number): string;
}

const plain =
  (kind: string, make: (source: Source) => string) =>
  (source: Source): Canary => {
    const secret = make(source);
    return { kind, secret, shown: secret };
  };
const within =
  (kind: string, make: (source: Source) => string, show: (secret: string) => string) =>
  (source: Source): Canary => {
    const secret = make(source);
    return { kind, secret, shown: show(secret) };
  };
const password = (source: Source) => `${source.of(ALPHANUMERIC, 6)}!${source.of(ALPHANUMERIC, 4)}7a`;
const drawn = (length: number) => (source: Source) => `${source.of(ALPHANUMERIC, length - 2)}7a`;
const uuid = (source: Source) =>
  [8, 4, 4, 4, 12]
    .map((length) => source.of(HEX, length))
    .join("-")
    .replace(/^./, "a");

const KINDS: readonly ((source: Source) => Canary)[] = [
  plain("AWS", (s) => `AKIA${s.of(UPPER, 16)}`),
  plain("AWS session", (s) => `ASIA${s.of(UPPER, 16)}`),
  within(
    "AWS secret",
    (s) => `${s.of(`${ALPHANUMERIC}/+`, 38)}7a`,
    (x) => `aws_secret_access_key = ${x}`,
  ),
  plain("GitHub", (s) => `ghp_${s.of(ALPHANUMERIC, 36)}`),
  plain("GitHub server", (s) => `ghs_${s.of(ALPHANUMERIC, 36)}`),
  plain("GitHub fine-grained", (s) => `github_pat_${s.of(ALPHANUMERIC, 22)}_${s.of(ALPHANUMERIC, 59)}`),
  plain("GitLab", (s) => `glpat-${s.of(URL_SAFE, 19)}a`),
  plain("Slack", (s) => `xoxb-${s.of("123456789", 12)}-${s.of("123456789", 12)}-${s.of(ALPHANUMERIC, 24)}`),
  within(
    "Slack webhook",
    (s) => `T${s.of(UPPER, 8)}/B${s.of(UPPER, 8)}/${s.of(ALPHANUMERIC, 24)}`,
    (x) => `https://hooks.slack.com/services/${x}`,
  ),
  plain("OpenAI", (s) => `sk-${drawn(48)(s)}`),
  plain("OpenAI project", (s) => `sk-proj-${drawn(60)(s)}`),
  plain("Anthropic", (s) => `sk-ant-api03-${drawn(90)(s)}`),
  plain("Google", (s) => `AIza${s.of(URL_SAFE, 34)}a`),
  plain("Google OAuth", (s) => `ya29.${s.of(URL_SAFE, 59)}a`),
  plain("Stripe", (s) => `sk_live_${s.of(ALPHANUMERIC, 24)}`),
  plain("Stripe restricted", (s) => `rk_test_${s.of(ALPHANUMERIC, 24)}`),
  plain("npm", (s) => `npm_${s.of(ALPHANUMERIC, 36)}`),
  plain("PyPI", (s) => `pypi-AgEIcHlwaS5vcmc${s.of(URL_SAFE, 79)}a`),
  plain("Docker", (s) => `dckr_pat_${s.of(URL_SAFE, 26)}a`),
  plain("Hugging Face", (s) => `hf_${s.of(ALPHANUMERIC, 34)}`),
  plain("Tencent Cloud", (s) => `AKID${s.of(ALPHANUMERIC, 32)}`),
  plain("Alibaba Cloud", (s) => `LTAI${s.of(ALPHANUMERIC, 20)}`),
  plain("SendGrid", (s) => `SG.${s.of(ALPHANUMERIC, 22)}.${s.of(ALPHANUMERIC, 43)}`),
  plain("Telegram", (s) => `${s.of("123456789", 10)}:AA${s.of(ALPHANUMERIC, 33)}`),
  within("WeCom webhook", uuid, (x) => `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${x}`),
  within("WeCom key", uuid, (x) => `BOT_KEY=${x}`),
  within("WeCom bare key", uuid, (x) => `key=${x}`),
  within(
    "DingTalk",
    (s) => s.of(HEX, 64),
    (x) => `https://oapi.dingtalk.com/robot/send?access_token=${x}`,
  ),
  plain(
    "HIL agent",
    (s) => `hil_agent_${s.of("abcdefghij0123456789", 12)}_${s.of(ALPHANUMERIC, 43)}_${s.of(HEX, 8)}`,
  ),
  plain("HIL owner", (s) => `hil_owner_${s.of(URL_SAFE, 41)}7a`),
  within(
    "HIL in a path",
    (s) => `hil_agent_${drawn(43)(s)}`,
    (x) => `http://hil.example/k/${x}/api/send`,
  ),
  plain("JWT", (s) => `eyJ${s.of(URL_SAFE, 33)}.eyJ${s.of(URL_SAFE, 80)}.${s.of(URL_SAFE, 42)}a`),
  plain(
    "JWE",
    (s) => `eyJ${s.of(URL_SAFE, 33)}..${s.of(URL_SAFE, 15)}a.${s.of(URL_SAFE, 60)}.${s.of(URL_SAFE, 21)}a`,
  ),
  within("password", password, (x) => `password=${x}`),
  within("password in a list", password, (x) => `Password: ${x}`),
  within(
    "password in JSON",
    (s) => `${password(s)} and more`,
    (x) => `{"dbPassword": "${x}"}`,
  ),
  within("password in Chinese", password, (x) => `密码：${x}`),
  within("password said", password, (x) => `the password is ${x}`),
  within("password option", password, (x) => `mysql --password ${x} -h db`),
  within("token", drawn(24), (x) => `token: ${x}`),
  within(
    "token in code",
    (s) => s.of("abcdefghij", 24),
    (x) => `access_token="${x}"`,
  ),
  within("secret in YAML", drawn(32), (x) => `client_secret: ${x}`),
  within(
    "bearer",
    (s) => `${drawn(30)(s)}==`,
    (x) => `Authorization: Bearer ${x}`,
  ),
  within(
    "basic",
    (s) => Buffer.from(`lina:${password(s)}`).toString("base64"),
    (x) => `Authorization: Basic ${x}`,
  ),
  within("userinfo", password, (x) => `postgres://hil:${x}@db.example:5432/hil`),
  within("proxy", password, (x) => `http://proxy:${x}@proxy.example:3128`),
  within(
    "signed address",
    (s) => s.of(HEX, 64),
    (x) => `https://bucket.example/file?X-Amz-Signature=${x}&x=1`,
  ),
  plain(
    "private key",
    (s) =>
      `-----BEGIN PRIVATE KEY-----\n${s.of(ALPHANUMERIC, 64)}\n${s.of(ALPHANUMERIC, 40)}\n-----END PRIVATE KEY-----`,
  ),
  within(
    "OpenSSH key",
    (s) => s.of(ALPHANUMERIC, 64),
    (x) => `-----BEGIN OPENSSH PRIVATE KEY-----\n${x}\n-----END OPENSSH PRIVATE KEY-----`,
  ),
  within(
    "encrypted key",
    (s) => s.of(ALPHANUMERIC, 64),
    (x) => `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n${x}\n-----END RSA PRIVATE KEY-----`,
  ),
  plain("Visa", (s) => card("4", 16, s)),
  plain("Visa in groups", (s) => card("4", 16, s).replace(/(.{4})(?=.)/g, "$1 ")),
  plain("Mastercard", (s) => card("53", 16, s).replace(/(.{4})(?=.)/g, "$1-")),
  plain("American Express", (s) => card("37", 15, s).replace(/^(.{4})(.{6})/, "$1 $2 ")),
  plain("UnionPay", (s) => card("62", 19, s)),
  plain("UnionPay in groups", (s) => card("62", 19, s).replace(/(.{4})(?=.)/g, "$1 ")),
  plain("mobile", (s) => `13${s.of("0123456789", 9)}`),
  plain(
    "mobile in groups",
    (s) => `15${s.of("0123456789", 1)} ${s.of("0123456789", 4)} ${s.of("0123456789", 4)}`,
  ),
  plain("mobile with code", (s) => `+86 18${s.of("0123456789", 9)}`),
  plain("international", (s) => `+1 (${s.of("23456789", 3)}) 555-${s.of("0123456789", 4)}`),
  plain("E.164", (s) => `+44${s.of("23456789", 10)}`),
];

function card(prefix: string, length: number, source: Source): string {
  const body = prefix + source.of("0123456789", length - prefix.length - 1);
  let sum = 0;
  for (const [index, digit] of [...body].reverse().entries()) {
    const value = index % 2 === 0 ? Number(digit) * 2 : Number(digit);
    sum += value > 9 ? value - 9 : value;
  }
  return `${body}${(10 - (sum % 10)) % 10}`;
}

function sourceOf(seed: number): Source {
  let block = Buffer.alloc(0);
  let at = 0;
  let count = 0;
  const byte = (): number => {
    if (at === block.length) {
      block = createHmac("sha512", "canary").update(`${seed}/${count}`).digest();
      at = 0;
      count += 1;
    }
    return block[at++]!;
  };
  const number = (below: number) => ((byte() << 16) | (byte() << 8) | byte()) % below;
  return {
    of: (alphabet, length) => Array.from({ length }, () => alphabet[number(alphabet.length)]).join(""),
  };
}

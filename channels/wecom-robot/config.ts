import { readEnvironment } from "@hil/platform/config/environment.ts";
import { z } from "zod";

const limit = z.coerce.number({ error: "must be a whole number" }).int().min(0);
const bytes = z.coerce
  .number({ error: "must be a number of bytes" })
  .int()
  .min(512, "must be at least 512, so that header and closing line leave room for text");

const proxyAddress = z
  .string()
  .transform((text) => (text.includes("://") ? text : `http://${text}`))
  .pipe(
    z.url({ protocol: /^(https?|socks5?)$/, error: "must be a proxy's address, like http://proxy:3128" }),
  );

const variables = z.object({
  BOT_KEY: z
    .string()
    .regex(/^[^\s/?&=#]+$/, "must be the robot's key alone: what follows key= in its webhook address")
    .optional(),
  WECOM_API_URL: z
    .url({
      protocol: /^https?$/,
      error: "must be an http or https address, like https://qyapi.weixin.qq.com",
    })
    .default("https://qyapi.weixin.qq.com"),
  WECOM_ROBOT_KIND: z
    .enum(["callback", "public"], { error: "must be callback or public" })
    .default("callback"),
  WECOM_ROBOT_MAX_TEXT_BYTES: bytes.default(2048),
  WECOM_ROBOT_MAX_MARKDOWN_BYTES: bytes.default(4096),
  WECOM_ROBOT_MESSAGES_PER_MINUTE: limit.optional(),
  http_proxy: proxyAddress.optional(),
  https_proxy: proxyAddress.optional(),
  no_proxy: z.string().default(""),
});

/**
 * Which of the vendor's two products the key belongs to.
 *
 *   callback - the call-back robot: sends to any chat by its id and hears replies.
 *   public   - a group's webhook: sends to its one group and hears nothing.
 */
export type RobotKind = "callback" | "public";

export interface WecomRobotConfig {
  readonly kind: RobotKind;
  /** A secret. Undefined: no robot is configured. */
  readonly botKey: string | undefined;
  /** Where the vendor's API is, without a slash at the end. */
  readonly apiUrl: string;
  readonly maxTextBytes: number;
  readonly maxMarkdownBytes: number;
  /** Messages a minute for each chat of a call-back robot, or for a public robot as a whole. 0: no limit. */
  readonly messagesPerMinute: number;
  /** The HTTP proxy to the vendor. Undefined: none. */
  readonly proxy: { readonly url: string; readonly noProxy: string } | undefined;
}

/** Reads the robot's settings. Throws a ConfigurationError that names every variable that is wrong. */
export function readWecomRobotConfig(environment: NodeJS.ProcessEnv): WecomRobotConfig {
  const given = readEnvironment(variables, {
    ...environment,
    // The lower-case name counts where both are set, also when it is empty: that is how a proxy is switched off.
    http_proxy: environment.http_proxy ?? environment.HTTP_PROXY,
    https_proxy: environment.https_proxy ?? environment.HTTPS_PROXY,
    no_proxy: environment.no_proxy ?? environment.NO_PROXY,
  });
  const kind = given.WECOM_ROBOT_KIND;
  const apiUrl = given.WECOM_API_URL.replace(/\/+$/, "");
  const { protocol, hostname } = new URL(apiUrl);
  const proxyUrl = protocol === "https:" ? given.https_proxy : given.http_proxy;
  return {
    kind,
    botKey: given.BOT_KEY,
    apiUrl,
    maxTextBytes: given.WECOM_ROBOT_MAX_TEXT_BYTES,
    maxMarkdownBytes: given.WECOM_ROBOT_MAX_MARKDOWN_BYTES,
    messagesPerMinute: given.WECOM_ROBOT_MESSAGES_PER_MINUTE ?? (kind === "public" ? 20 : 100),
    proxy:
      proxyUrl === undefined || isLoopback(hostname) ? undefined : { url: proxyUrl, noProxy: given.no_proxy },
  };
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

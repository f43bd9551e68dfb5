import type { Locale } from "@hil/channels/channel.ts";
import { readWecomRobotConfig, type WecomRobotConfig } from "@hil/channels/wecom-robot/config.ts";
import { DAY_MS, locale, readEnvironment, retentionDays } from "@hil/platform/config/environment.ts";
import { z } from "zod";
import { type RelayConfig, readRelayConfig } from "./relay/config.ts";

const variables = z.object({
  HIL_LOCALE: locale,
  HIL_RETENTION_DAYS: retentionDays,
});

export interface DeliverySettings {
  /** The language of test messages. */
  readonly locale: Locale;
  /** How long deliveries are kept after they ended. */
  readonly retentionMs: number;
}

export interface DeliveryConfig extends DeliverySettings {
  readonly wecomRobot: WecomRobotConfig;
  readonly relays: RelayConfig;
}

/** Reads the delivery service's settings. Throws a ConfigurationError that names every variable that is wrong. */
export function readDeliveryConfig(environment: NodeJS.ProcessEnv): DeliveryConfig {
  const given = readEnvironment(variables, environment);
  const wecomRobot = readWecomRobotConfig(environment);
  return {
    locale: given.HIL_LOCALE,
    retentionMs: given.HIL_RETENTION_DAYS * DAY_MS,
    wecomRobot,
    relays: readRelayConfig(environment, { hasRobotKey: wecomRobot.botKey !== undefined }),
  };
}

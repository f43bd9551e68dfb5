import type { Channel } from "@hil/channels/channel.ts";
import { consoleChannel } from "@hil/channels/console/console-channel.ts";
import { createWecomRobotChannel } from "@hil/channels/wecom-robot/wecom-robot-channel.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { DeliveryConfig } from "./config.ts";

/** The channels of a deployment: the console, and the robot whether it is configured or not. */
export function createChannels(
  config: DeliveryConfig,
  { log, now }: { log: Log; now: () => Date },
): Channel[] {
  const robot = createWecomRobotChannel(config.wecomRobot, { now });
  if (robot.missing !== undefined && config.relays.robotWay !== "relay") {
    log.info({ channel_id: robot.id }, robot.missing);
  }
  return [consoleChannel, robot];
}

import { Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { ShowingChannel } from "../channel.ts";

/** The web console. It shows every session of its tenant by itself. */
export const consoleChannel: ShowingChannel = {
  mode: "shows",
  id: "console",
  kind: Channel_Kind.CONSOLE,
  name: "Console",
  capabilities: { needsChat: false, replies: true, images: true, maxTextBytes: 0, messagesPerMinute: 0 },
};

// Carries what HIL says to a vendor over the stream of a relay, and back what the relay heard: the relay's server for as
// long as the rest of the run is HIL's. It says a command again on each stream until it has ended, and acknowledges a
// message of a person only when HIL has given its 200 for it.

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { CommandResult } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { startFakeServer } from "../../edge-relay/testing/fake-server.ts";

const LOOK_MS = 5;
/** HIL gives a vendor 10 s. */
const COMMAND_PATIENCE_MS = 9_000;
const CALLBACK_PATIENCE_MS = 5_000;

export interface RelayCarrier extends AsyncDisposable {
  /** Where relays dial. */
  readonly port: number;
  /** Where HIL finds its vendor. */
  readonly vendorUrl: string;
  /** Says where HIL takes callbacks. */
  leadTo(callbackUrl: string): void;
}

export async function startRelayCarrier(): Promise<RelayCarrier> {
  const server = await startFakeServer({ beatMs: 1_000, handled: (inbound) => handOn(inbound.body) });
  const stop = new AbortController();
  const commands = new Map<string, Parameters<(typeof server.streams)[0]["send"]>[0]>();
  const waiting = new Map<string, (result: CommandResult | undefined) => void>();
  let callbackUrl = "";

  const handOn = async (body: Uint8Array): Promise<void> => {
    while (!stop.signal.aborted) {
      const taken = await fetch(callbackUrl, {
        method: "POST",
        body: Buffer.from(body),
        signal: AbortSignal.timeout(CALLBACK_PATIENCE_MS),
      }).then(
        async (response) => {
          await response.text();
          return response.status === 200;
        },
        () => false, // HIL is away, or was killed over it
      );
      if (taken) return;
      await pause(50);
    }
  };

  const send = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { chatid, msgtype, text, markdown } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const commandId = randomUUID();
    const command = {
      commandId,
      channelId: "wecom-robot",
      chatId: chatid,
      chatType: ChatType.GROUP,
      message:
        msgtype === "markdown"
          ? { case: "markdown" as const, value: { text: markdown.content } }
          : { case: "text" as const, value: { text: text.content, mentions: text.mentioned_list ?? [] } },
    };
    const result = await new Promise<CommandResult | undefined>((resolve) => {
      commands.set(commandId, command);
      waiting.set(commandId, resolve);
      server.streams.at(-1)?.send(command);
      setTimeout(() => resolve(undefined), COMMAND_PATIENCE_MS).unref();
    });
    commands.delete(commandId);
    waiting.delete(commandId);
    switch (result?.outcome) {
      case Attempt_Outcome.DELIVERED:
        response.end('{"errcode":0,"errmsg":"ok"}');
        return;
      case Attempt_Outcome.RETRYABLE:
        response.end('{"errcode":-1,"errmsg":"system busy"}');
        return;
      case Attempt_Outcome.REFUSED:
        response.end(JSON.stringify({ errcode: 40058, errmsg: result.reason }));
        return;
      default: // whether it was shown is not known
        response.destroy();
    }
  };

  let results = 0;
  let epoch = 0;
  const looking = setInterval(() => {
    for (; results < server.results.length; results++) {
      const result = server.results[results]!;
      waiting.get(result.commandId)?.(result);
    }
    const stream = server.streams.at(-1);
    if (!stream || stream.epoch === epoch) return;
    epoch = stream.epoch;
    for (const command of commands.values()) stream.send(command);
  }, LOOK_MS);
  const vendor = createServer((request, response) => {
    send(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  return {
    port: server.port,
    vendorUrl: `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`,
    leadTo(url) {
      callbackUrl = url;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearInterval(looking);
      vendor.closeAllConnections();
      await new Promise<void>((resolve) => vendor.close(() => resolve()));
      await server.close();
    },
  };
}

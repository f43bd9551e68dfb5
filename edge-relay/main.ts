// The program. The only file of the relay that acts on import.

import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { ConfigurationError } from "@hil/platform/config/environment.ts";
import { localeOf, type Translate, translateTo } from "@hil/platform/config/locale.ts";
import { armFailpoints } from "@hil/platform/failpoints/failpoint.ts";
import { CRASHED, exitOnCrash } from "@hil/platform/lifecycle/crash.ts";
import { createLog } from "@hil/platform/telemetry/log.ts";
import { check } from "./check/check.ts";
import { type RelayConfig, readCommand } from "./config.ts";
import { EXIT } from "./exit-code.ts";
import { helpText } from "./help.ts";
import { startRelay } from "./relay.ts";
import { version } from "./version.ts";

/** A supervisor waits for longer than this before it kills. */
const STOP_MS = 9_500;

void main();

async function main(): Promise<void> {
  const locale = localeOf(process.env);
  setLogVerbosity(logVerbosity.NONE); // what gRPC has to say of failures is said once, by whoever made the try
  try {
    armFailpoints(process.env);
    trustAsThisHostDoes();
    const command = readCommand(process.argv.slice(2), process.env);
    switch (command.kind) {
      case "help":
        process.stdout.write(helpText(locale));
        break;
      case "version":
        process.stdout.write(`${version()}\n`);
        break;
      case "check":
        process.exitCode = (await runCheck(command.config, translateTo(locale))) ? EXIT.ok : EXIT.obstacle;
        break;
      case "run":
        await run(command.config);
        break;
    }
  } catch (error) {
    if (error instanceof ConfigurationError) {
      say(error.message);
      process.exit(EXIT.configuration);
    }
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(CRASHED);
  }
}

/** Node knows the public authorities; an intranet's own is known to its hosts. */
function trustAsThisHostDoes(): void {
  setDefaultCACertificates([...getCACertificates("default"), ...getCACertificates("system")]);
}

async function run(config: RelayConfig): Promise<void> {
  const log = createLog(config.logLevel, {
    base: { service: "relay", version: version() },
    config: config.log,
  });
  exitOnCrash(log);
  config.notices.forEach(say);
  const relay = await startRelay({ config, log });
  process.stdout.write(`listening ${relay.callbackPort}\n`);
  let told = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (told) return;
      told = true;
      log.info({ signal }, "ending what is under way, 10 s at most");
      setTimeout(() => {
        log.warn("some of it did not end in time; what is not handed over is on disk");
        process.exit(EXIT.ok);
      }, STOP_MS).unref();
      void relay.stop().then(() => process.exit(EXIT.ok));
    });
  }
  const stopped = await relay.stopped;
  if (stopped) {
    log.fatal({ reason: stopped.reason }, "stopping, because trying again would not help");
    say(stopped.reason);
    process.exit(stopped.kind === "refused" ? EXIT.refused : EXIT.unsupported);
  }
  if (!told) process.exit(EXIT.ok);
}

function runCheck(config: RelayConfig, t: Translate): Promise<boolean> {
  config.notices.forEach(say);
  return check(config, {
    t,
    now: () => new Date(),
    found({ step, good, words }) {
      process.stdout.write(`${good ? "✓" : "✗"} ${step}: ${words}\n`);
    },
  });
}

function say(sentence: string): void {
  process.stderr.write(`hil-relay: ${sentence}\n`);
}

// HIL's embedded form, to be crashed by SIGHUP: with an error like those that libraries throw, on which their options
// hang, and in those the credentials.

import { startEmbedded } from "../../cli/embedded.ts";
import { exitOnCrash } from "../../platform/lifecycle/crash.ts";
import { createLog } from "../../platform/telemetry/log.ts";

const environment = process.env;
exitOnCrash(createLog("info"));
const embedded = await startEmbedded({ environment });
process.stdout.write(`listening ${embedded.port}\n`);
process.on("SIGHUP", () => {
  const proxy = new URL(environment.https_proxy!);
  throw Object.assign(new Error(`connect ECONNREFUSED ${proxy.href}`), {
    code: "ECONNREFUSED",
    options: { proxy, headers: { authorization: `Bearer ${environment.HIL_OWNER_KEY}` } },
    cause: new Error(`GET https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${environment.BOT_KEY}`),
  });
});

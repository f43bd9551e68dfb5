import { silentLog } from "../telemetry/log.ts";
import { eventBusContract } from "./event-bus.contract.ts";
import { createInProcessBus } from "./in-process-bus.ts";

eventBusContract(async () => {
  const bus = createInProcessBus({ log: silentLog });
  return { publisher: bus, listener: bus };
});

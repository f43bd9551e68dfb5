import { resolveAddresses } from "./addresses.ts";

const PATIENCE_MS = 1_500;

/** Whether any replica of a service lives. `url` as for remoteTransport. */
export function createPeerProbe(url: string) {
  const addresses = resolveAddresses(url);
  return async (): Promise<boolean> => {
    const replicas = await addresses.current();
    const looks = replicas.map(async (address) => {
      const { ok, body } = await fetch(`${address}/healthz`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      await body?.cancel();
      if (!ok) throw new Error(`${address} does not live`);
    });
    await Promise.any(looks);
    return true;
  };
}

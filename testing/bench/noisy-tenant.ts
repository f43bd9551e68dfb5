import { runNoisyTenant } from "../noisy-tenant/noisy-tenant.ts";

const ROUNDS = 12;
const CYCLES = 40;

/** Prints how much longer a tenant waits beside one that calls as hard as it can (F25: at most twice as long). */
export async function benchNoisyTenant(): Promise<void> {
  const { alone, beside, heard } = await runNoisyTenant({ rounds: ROUNDS, cycles: CYCLES });
  const [quiet, slowed] = [median(alone), median(beside)];
  console.log(`create → answer → resumed, p50, alone             ${quiet.toFixed(2)} ms`);
  console.log(`beside a tenant that floods                       ${slowed.toFixed(2)} ms`);
  console.log(`ratio                                             ${(slowed / quiet).toFixed(2)}×`);
  console.log(`the flood heard                                   ${JSON.stringify(heard)}`);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

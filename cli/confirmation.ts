import { CommandError, EXIT } from "./exit-code.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Asks the person at the terminal before something that others feel at once. Where there is none, and with `--yes`,
 * the command itself is the confirmation. Rejects with exit code 1 where the person says anything but yes.
 */
export async function confirm(
  terminal: Pick<Terminal, "askPerson" | "t">,
  question: string,
  { yes = false }: { yes?: boolean },
): Promise<void> {
  if (yes) return;
  const said = await terminal.askPerson(`${question} [y/N] `);
  if (said === undefined || /^(y|yes|是|好)$/i.test(said.trim())) return;
  throw new CommandError(EXIT.rejected, terminal.t("nothing was changed", "未做任何更改"));
}

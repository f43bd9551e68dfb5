import { ReceiptSchema } from "@hil/gen/hil/session/v1/receipt_pb.ts";
import { GetReceiptResponseSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Command } from "commander";
import { readKeys } from "../administration/public-keys.ts";
import { receiptLines } from "../administration/receipt-words.ts";
import type { CommandContext } from "../context.ts";
import { prettyJson } from "../contract-json.ts";
import { EXIT } from "../exit-code.ts";
import { readText } from "../option-values.ts";
import { findSession } from "../session-lookup.ts";

export function addReceipt(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const receipt = program
    .command("receipt")
    .description(
      t("signed statements of what was decided, for anybody to check", "可供任何人校验的签名决定凭据"),
    )
    .helpCommand(false);
  for (const add of [addGet, addVerify]) add(receipt, context);
}

function addGet(receipt: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  receipt
    .command("get")
    .argument("<id>", t("the session: its id or short id", "会话编号或短编号"))
    .description(t("print the receipt of an answered question", "输出已回答提问的凭据"))
    .option("--json", t("print what it states and the public key, too", "同时输出内容与公钥（JSON）"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil receipt get abc12345 > abc12345.jws`)
    .action(async (id: string, { json }: { json?: boolean }) => {
      const { sessions } = await connect();
      const session = await findSession(sessions, id, t);
      const response = await sessions.getReceipt({ sessionId: session.id });
      await terminal.out(json ? prettyJson(GetReceiptResponseSchema, response) : response.jws);
      if (!json) {
        terminal.note(
          t(
            `to check it anywhere: hil receipt verify FILE --key KEYS, with the keys from /.well-known/hil-keys.json`,
            `校验：hil receipt verify 文件 --key 公钥，公钥见 /.well-known/hil-keys.json`,
          ),
        );
      }
    });
}

function addVerify(receipt: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  receipt
    .command("verify")
    .argument(
      "<file>",
      t(
        'the receipt, as "hil receipt get" prints it; "-": stdin',
        '凭据文件，即 "hil receipt get" 的输出；"-" 为标准输入',
      ),
    )
    .description(t("check a receipt with public keys alone; needs no server", "仅用公钥校验凭据，无需服务"))
    .option(
      "--key <file or url>",
      t(
        "the keys that you trust, as a JSON Web Key or a set of them; default: those that the server publishes",
        "你信任的公钥（JWK 或 JWKS）；默认取服务公布的公钥",
      ),
    )
    .option("--json", t("print what it states as JSON", "以 JSON 输出凭据内容"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil receipt verify abc12345.jws --key hil-keys.json\n\n${t("It exits with 1 where the receipt does not hold.", "凭据无效时退出码为 1。")}`,
    )
    .action(async (file: string, { key, json }: { key?: string; json?: boolean }) => {
      const { verifyReceipt } = await import("@hil/platform/signing/verify-receipt.ts");
      const statement = statementIn(await readText(file, terminal));
      const reading = verifyReceipt(statement, await readKeys(key, context));
      if (reading.kind === "invalid") {
        terminal.note(t(`this receipt does not hold: ${reading.problem}`, `凭据无效：${reading.problem}`));
        context.endWith(EXIT.rejected);
        return;
      }
      if (json) await terminal.out(prettyJson(ReceiptSchema, reading.receipt));
      else
        for (const line of receiptLines(reading.receipt, reading.jwk.kid, terminal)) await terminal.out(line);
      terminal.note(t("this receipt holds", "凭据有效"));
    });
}

/** The statement alone, or out of what `hil receipt get --json` printed. The key beside it there is not believed. */
function statementIn(text: string): string {
  try {
    const { jws } = JSON.parse(text) as { jws?: unknown };
    if (typeof jws === "string") return jws;
  } catch {
    // Not JSON: the statement itself.
  }
  return text.trim();
}

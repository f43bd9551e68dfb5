import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { dataFolder } from "../data-folder.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";

export function addRotate(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const rotate = program
    .command("rotate")
    .description(
      t("replace a key of the deployment, while the server is stopped", "在服务停止时轮换部署的密钥"),
    )
    .helpCommand(false);
  for (const add of [addMasterKey, addSigningKey]) add(rotate, context);
}

function addMasterKey(rotate: Command, { terminal }: CommandContext): void {
  const { t } = terminal;
  rotate
    .command("master-key")
    .description(t("make a new master key for what is kept encrypted", "生成新的主密钥"))
    .option("--data-dir <folder>", t("default: HIL_DATA_DIR, ./data", "默认取 HIL_DATA_DIR，即 ./data"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil rotate master-key\n\n${t("Keys that come from HIL_MASTER_KEY and its kin are rotated there: put a new one in front.", "来自 HIL_MASTER_KEY 等变量的密钥请在原处轮换：把新密钥放在最前。")}`,
    )
    .action(async ({ dataDir }: { dataDir?: string }) => {
      const { rotateMasterKey } = await import("@hil/platform/secrets/master-key.ts");
      await onStoppedFolder(dataDir, terminal, (folder) => {
        rotateMasterKey(folder);
        terminal.note(
          t(
            `${folder} has a new master key; it is used from the next start on. Back up credentials/master.json`,
            `${folder} 已有新的主密钥，下次启动后使用。请备份 credentials/master.json`,
          ),
        );
      });
    });
}

function addSigningKey(rotate: Command, { terminal }: CommandContext): void {
  const { t } = terminal;
  rotate
    .command("signing-key")
    .description(
      t(
        "make a new key for receipts and checkpoints; what was signed verifies on",
        "生成新的签名密钥；已签名的内容仍可验证",
      ),
    )
    .option("--data-dir <folder>", t("default: HIL_DATA_DIR, ./data", "默认取 HIL_DATA_DIR，即 ./data"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil rotate signing-key`)
    .action(async ({ dataDir }: { dataDir?: string }) => {
      const { openSigningKey } = await import("@hil/platform/signing/signing-key.ts");
      await onStoppedFolder(dataDir, terminal, (folder) => {
        const signingKey = openSigningKey({ dataDir: folder });
        signingKey.rotate();
        terminal.note(
          t(
            `${folder} signs with ${signingKey.publicJwk.kid} from the next start on. Publish /.well-known/hil-keys.json anew, and back up credentials/signing.json`,
            `${folder} 下次启动后使用 ${signingKey.publicJwk.kid} 签名。请重新公布 /.well-known/hil-keys.json，并备份 credentials/signing.json`,
          ),
        );
      });
    });
}

/** A running server holds its keys in memory and would go on with the old ones. */
async function onStoppedFolder(
  told: string | undefined,
  { environment, t }: Terminal,
  work: (folder: string) => void,
): Promise<void> {
  const { lockDataDir } = await import("@hil/platform/storage/data-dir-lock.ts");
  const folder = dataFolder(environment, told);
  if (!existsSync(folder)) {
    throw new CommandError(EXIT.notFound, t(`there is no data folder ${folder}`, `没有数据目录 ${folder}`));
  }
  const unlock = lockDataDir(folder);
  try {
    work(folder);
  } finally {
    unlock();
  }
}

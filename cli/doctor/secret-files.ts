// Looks at the files that hold keys: that nobody else can read them, and that they are not next to what they protect.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Translate } from "../terminal.ts";
import { type Finding, hint, ok, problem } from "./finding.ts";

const MASTER_KEY_VARIABLES = ["HIL_MASTER_KEY", "HIL_MASTER_KEY_FILE", "HIL_MASTER_KEY_COMMAND"] as const;

/** Only for a data folder that a server has used. Windows keeps other rules and is not looked at. */
export function checkSecretFiles(folder: string, environment: NodeJS.ProcessEnv, t: Translate): Finding[] {
  const credentials = join(folder, "credentials");
  if (!existsSync(credentials)) return [];
  const keyFile = environment.HIL_MASTER_KEY_FILE;
  const files = [
    credentials,
    ...readdirSync(credentials).map((name) => join(credentials, name)),
    ...(keyFile && existsSync(keyFile) ? [keyFile] : []),
  ];
  const open =
    process.platform === "win32" ? [] : files.filter((file) => (statSync(file).mode & 0o077) !== 0);
  const findings = open.map((file) =>
    problem(t(`others may read ${file}`, `其他用户可读取 ${file}`), `chmod go-rwx ${file}`),
  );
  if (open.length === 0) findings.push(ok(t("only this user can read the keys", "仅当前用户可读取密钥文件")));
  const isGiven = MASTER_KEY_VARIABLES.some((name) => environment[name]);
  if (!isGiven && existsSync(join(credentials, "master.json"))) {
    findings.push(
      hint(
        t("the master key is beside what it encrypts", "主密钥与其加密的数据在同一目录"),
        t(
          "whoever copies the data folder can read all of it; docs/security.md tells how to keep the key elsewhere",
          "复制数据目录即可读取全部内容；另存主密钥的方法见 docs/security.md",
        ),
      ),
    );
  }
  return findings;
}

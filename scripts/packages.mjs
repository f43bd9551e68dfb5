import { outputOf, runQuietly } from "./process.mjs";
import { say } from "./setup.mjs";

/** Whether this user may install packages of Debian or Ubuntu. */
export function canInstall() {
  return process.getuid?.() === 0 && outputOf("apt-get", ["--version"]) !== undefined;
}

/** Installs packages of Debian or Ubuntu. Rejects with a sentence where that fails. */
export async function installPackages(why, ...names) {
  say(`Installing ${names.join(" and ")} for ${why} (apt-get) …`);
  const failure = `apt-get could not install ${names.join(" ")}; what it said is above. Install them and run npm test again`;
  await runQuietly("apt-get", ["update", "-qq"], { failure });
  // RUNLEVEL=1: a server that comes as a package is not started, where the machine heeds that.
  const quiet = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "install", "-y", "-qq"];
  await runQuietly("env", [...quiet, "--no-install-recommends", ...names], { failure });
}

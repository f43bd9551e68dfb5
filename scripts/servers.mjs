// Finds the servers that HIL is tested with and the tools that make networks bad, or brings them. Tests start servers on
// free ports of their own; one that the machine runs besides is left alone.

import { existsSync, readdirSync } from "node:fs";
import { canInstall, installPackages } from "./packages.mjs";
import { outputOf } from "./process.mjs";

const POSTGRES = "/usr/lib/postgresql";

/**
 * Makes sure that they are there; as root on Debian or Ubuntu missing ones are installed. Throws an Error that says what
 * to install: the tests are not run without them.
 */
export async function requireServers() {
  let missing = missingServers();
  if (missing.length > 0 && canInstall()) {
    await installPackages("the tests", ...missing.map(({ debian }) => debian));
    missing = missingServers();
  }
  if (missing.length === 0) return;
  const what = missing.map(({ name }) => name).join(" and ");
  const packages = missing.map(({ debian }) => debian).join(" ");
  const variables = missing.flatMap(({ variable }) => variable ?? []).join(" and ");
  throw new Error(
    `The tests need ${what}: install it (Debian: apt-get install ${packages})${variables && `, or name it in ${variables}`}, and run npm test again`,
  );
}

function missingServers() {
  return [
    {
      name: "PostgreSQL",
      debian: "postgresql",
      variable: "HIL_TEST_POSTGRES_BIN (the folder of its programs)",
      isThere: hasPostgres(),
    },
    {
      name: "nats-server",
      debian: "nats-server",
      variable: "HIL_TEST_NATS_SERVER (the path of the program)",
      isThere: outputOf(process.env.HIL_TEST_NATS_SERVER ?? "nats-server", ["--version"]) !== undefined,
    },
    {
      name: "nginx",
      debian: "nginx",
      variable: "HIL_TEST_NGINX (the path of the program)",
      isThere: outputOf(process.env.HIL_TEST_NGINX ?? "nginx", ["-v"]) !== undefined,
    },
    { name: "openssl", debian: "openssl", isThere: outputOf("openssl", ["version"]) !== undefined },
    { name: "iproute2", debian: "iproute2", isThere: outputOf("ip", ["-V"]) !== undefined },
    { name: "iptables", debian: "iptables", isThere: outputOf("iptables", ["--version"]) !== undefined },
  ].filter(({ isThere }) => !isThere);
}

function hasPostgres() {
  const named = process.env.HIL_TEST_POSTGRES_BIN;
  if (named) return existsSync(`${named}/postgres`);
  if (!existsSync(POSTGRES)) return false;
  return readdirSync(POSTGRES).some((version) => existsSync(`${POSTGRES}/${version}/bin/postgres`));
}

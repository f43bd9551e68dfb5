import { expect, test } from "vitest";
import { proxyFor } from "./proxy.ts";

const PROXY = "http://proxy:3128";

test.each<[string, NodeJS.ProcessEnv, string | undefined]>([
  ["http://hil.example", {}, undefined],
  ["http://hil.example", { http_proxy: PROXY }, PROXY],
  ["http://hil.example", { HTTP_PROXY: "proxy:3128" }, PROXY],
  ["https://hil.example", { http_proxy: PROXY }, undefined],
  ["https://hil.example", { https_proxy: PROXY }, PROXY],
  ["https://hil.example", { all_proxy: PROXY }, PROXY],
  ["http://hil.example", { HTTP_PROXY: PROXY, http_proxy: "" }, undefined],
  [
    "http://hil.example",
    { HTTP_PROXY: PROXY, ALL_PROXY: PROXY, http_proxy: "", https_proxy: "", all_proxy: "" },
    undefined,
  ],
  ["http://localhost:8080", { http_proxy: PROXY }, undefined],
  ["http://127.0.0.1:8080", { http_proxy: PROXY, all_proxy: PROXY }, undefined],
  ["http://[::1]:8080", { http_proxy: PROXY }, undefined],
  ["http://hil.example", { http_proxy: PROXY, no_proxy: "*" }, undefined],
  ["http://hil.example", { http_proxy: PROXY, NO_PROXY: "other, .example" }, undefined],
  ["http://hil.example", { http_proxy: PROXY, no_proxy: "*.example" }, undefined],
  ["http://hil.example", { http_proxy: PROXY, no_proxy: "il.example" }, PROXY],
  ["http://hil.example:81", { http_proxy: PROXY, no_proxy: "hil.example:81" }, undefined],
  ["http://hil.example", { http_proxy: PROXY, no_proxy: "hil.example:81" }, PROXY],
  ["http://hil.example", { http_proxy: PROXY, NO_PROXY: "hil.example", no_proxy: "" }, PROXY],
])("A18: %s with %j goes through %s", (address, environment, proxy) => {
  expect(proxyFor(address, environment)).toBe(proxy);
});

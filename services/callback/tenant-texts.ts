import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import type { CallbackConfig } from "./config.ts";
import { createTexts, type Locale, type Texts } from "./texts.ts";

/** The words for people, in each tenant's language and with its own templates. */
export interface TenantTexts {
  of(tenantId: string): Promise<Texts>;
}

/** Makes the texts. What a tenant does not say is as the deployment's settings say. */
export function createTenantTexts({
  tenants,
  settings,
  now,
}: {
  tenants: TenantDirectory;
  settings: Pick<CallbackConfig, "locale" | "timeZone">;
  now: () => Date;
}): TenantTexts {
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: settings.timeZone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  const timeOfDay = () => clock.format(now());
  return {
    async of(tenantId) {
      const { policy } = await tenants.get(tenantId);
      const locale = (policy?.locale || settings.locale) as Locale;
      return createTexts({ locale, templates: policy?.templates ?? [], timeOfDay });
    },
  };
}

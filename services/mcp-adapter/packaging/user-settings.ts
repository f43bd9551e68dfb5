// The settings that people are asked for when a program installs the adapter for them. The others keep their defaults.

/** A setting of config.ts, by the first name that is not one of the earlier client's alone. */
export interface UserSetting {
  /** The variable. */
  readonly variable: string;
  /** The name of the field in a form. */
  readonly field: string;
  readonly title: string;
  readonly description: string;
  readonly isSecret?: boolean;
  /** What is filled in. Empty: nothing. */
  readonly default: string;
}

export const USER_SETTINGS: readonly UserSetting[] = [
  {
    variable: "HIL_SERVICE_URL",
    field: "service_url",
    title: "Address of HIL",
    description: "Where HIL runs. On this machine: http://localhost:8080.",
    default: "http://localhost:8080",
  },
  {
    variable: "HIL_API_KEY",
    field: "api_key",
    title: "Key",
    description:
      "An API key that an administrator made with hil key create. Leave it empty on the machine that runs HIL.",
    isSecret: true,
    default: "",
  },
  {
    variable: "HIL_CHAT_ID",
    field: "chat_id",
    title: "Chat",
    description: "The id of the chat to ask in. Empty: questions appear in the console only.",
    default: "",
  },
  {
    variable: "HIL_PROJECT_NAME",
    field: "project_name",
    title: "Project",
    description: "The project that people are shown with each question.",
    default: "",
  },
];

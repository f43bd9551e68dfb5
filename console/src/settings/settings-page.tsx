import { useLocation } from "wouter-preact";
import { useApp } from "../app-context.ts";
import { signOut } from "../sign-in/sign-in.ts";
import { text } from "../text/text.ts";
import { announce } from "../ui/announcer.tsx";
import { usePageHeading } from "../ui/use-page-heading.ts";
import { changeSettings, type Settings, settings } from "./settings.ts";
import { SignedInAs } from "./signed-in-as.tsx";

/** /settings: what a person chooses for this browser. */
export function SettingsPage() {
  const { live } = useApp();
  const [, navigate] = useLocation();
  const heading = usePageHeading("settings");
  const t = text.value;
  const words = t.settingsPage;
  const current = settings.value;
  const leave = async () => {
    if (!(await signOut())) return announce(t.signIn.failed, "assertive");
    live.signedOut();
    navigate("/login");
  };
  return (
    <div class="settings">
      <h1 ref={heading} tabIndex={-1}>
        {t.settings}
      </h1>
      <label class="field">
        <span>{words.language}</span>
        <select
          value={current.language}
          onChange={(event) =>
            changeSettings({ language: event.currentTarget.value as Settings["language"] })
          }
        >
          <option value="system">{words.systemLanguage}</option>
          <option value="zh-CN" lang="zh-CN">
            简体中文
          </option>
          <option value="en" lang="en">
            English
          </option>
        </select>
      </label>
      <label class="field">
        <span>{words.theme}</span>
        <select
          value={current.theme}
          onChange={(event) => changeSettings({ theme: event.currentTarget.value as Settings["theme"] })}
        >
          {(["system", "light", "dark"] as const).map((theme) => (
            <option key={theme} value={theme}>
              {words.themes[theme]}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>{words.name}</span>
        <input
          type="text"
          autoComplete="name"
          maxLength={100}
          value={current.name}
          aria-describedby="name-hint"
          onChange={(event) => changeSettings({ name: event.currentTarget.value.trim() })}
        />
        <span class="quiet" id="name-hint">
          {words.nameHint}
        </span>
      </label>
      <label class="choice">
        <input
          type="checkbox"
          checked={current.shortcuts}
          onChange={(event) => changeSettings({ shortcuts: event.currentTarget.checked })}
        />
        <span>{words.shortcuts}</span>
      </label>
      <SignedInAs />
      <h2>{words.device}</h2>
      <button type="button" class="button" onClick={() => void leave()}>
        {t.signIn.signOut}
      </button>
    </div>
  );
}

import { useSearchParams } from "wouter-preact";
import { text } from "../text/text.ts";
import type { InboxFilter } from "./inbox-order.ts";

/** Search and project, kept in the address so that they outlive opening a session and can be sent to others. */
export function InboxFilters({ filter, projects }: { filter: InboxFilter; projects: readonly string[] }) {
  const [, setParameters] = useSearchParams();
  const change = (name: "q" | "project", value: string | undefined) =>
    setParameters(
      (parameters) => {
        const changed = new URLSearchParams(parameters);
        if (value === undefined || (name === "q" && value === "")) changed.delete(name);
        else changed.set(name, value);
        return changed;
      },
      { replace: true },
    );
  const t = text.value;
  const known = filter.project === undefined || projects.includes(filter.project);
  return (
    <search class="filters">
      <input
        type="search"
        aria-label={t.search}
        placeholder={t.searchHint}
        value={filter.query}
        onInput={(event) => change("q", event.currentTarget.value)}
      />
      {projects.length > 1 || filter.project !== undefined ? (
        <select
          aria-label={t.project}
          value={filter.project === undefined ? "" : `=${filter.project}`}
          onChange={(event) => {
            const { value } = event.currentTarget;
            change("project", value === "" ? undefined : value.slice(1));
          }}
        >
          <option value="">{t.allProjects}</option>
          {(known ? projects : [...projects, filter.project!]).map((project) => (
            <option key={project} value={`=${project}`}>
              {project || t.noProject}
            </option>
          ))}
        </select>
      ) : null}
    </search>
  );
}

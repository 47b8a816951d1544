/** @file An option of a run as a field of the form, with its help. */

import { useId } from "preact/hooks";
import type { RunOption } from "../../studio/api.ts";
import { formatOption } from "./given-options.ts";

export function Field({
  option,
  text,
  initial,
  onChange,
}: {
  readonly option: RunOption;
  /** What is given; undefined for the default. */
  readonly text: string | undefined;
  /** The default. */
  readonly initial: unknown;
  /** Called with what is given now, undefined for the default. */
  readonly onChange: (text: string | undefined) => void;
}) {
  const id = useId();
  const helpId = `${id}-help`;
  const fallback = formatOption(initial);
  const shared = { id, "aria-describedby": helpId };
  const give = (event: { currentTarget: { value: string } }) =>
    onChange(event.currentTarget.value || undefined);

  const control = () => {
    const { kind, choices } = option;
    if (kind === "boolean")
      return (
        <input
          {...shared}
          type="checkbox"
          checked={(text ?? fallback) === "true"}
          onChange={({ currentTarget: { checked } }) =>
            onChange(String(checked) === (fallback || "false") ? undefined : String(checked))
          }
        />
      );
    if (kind === "choice")
      return (
        <select {...shared} value={text ?? fallback} onChange={give}>
          {fallback === "" && <option value="">as the method has it</option>}
          {(fallback === "" || choices!.includes(fallback) ? choices! : [fallback, ...choices!]).map(
            (choice) => (
              <option key={choice}>{choice}</option>
            ),
          )}
        </select>
      );
    if (kind === "list" || kind === "names" || kind === "mapping")
      return <textarea {...shared} rows={2} value={text ?? ""} placeholder={fallback} onInput={give} />;
    const isNumber = kind === "number" || kind === "integer";
    return (
      <input
        {...shared}
        type="text"
        inputMode={isNumber ? "decimal" : "text"}
        spellcheck={false}
        value={text ?? ""}
        placeholder={fallback}
        onInput={give}
      />
    );
  };

  return (
    <div class={option.kind === "boolean" ? "field check" : "field"}>
      <label for={id}>{option.name.split(".").at(-1)!.replaceAll("_", " ")}</label>
      {control()}
      <small id={helpId}>
        {option.help}
        {fallback !== "" &&
          !option.help.includes("default:") &&
          `; default: ${fallback.replaceAll("\n", ", ")}`}
        {forms[option.kind]}
      </small>
    </div>
  );
}

const forms: Partial<Record<RunOption["kind"], string>> = {
  list: "; one a line",
  names: "; one a line",
  mapping: "; one a line, as name=value",
};

// Fields of a form: what is asked, how to answer, what is wrong, and only then where to answer. Names, descriptions and errors
// are tied together by React Aria.

import { type ReactNode, useEffect, useRef } from "react";
import { FieldError, Form as AriaForm, Input, Label, Radio, RadioGroup, Text, TextArea, TextField } from "react-aria-components";

/** What is wrong, by the name of the field. */
export type Wrong = Record<string, string>;

interface FormProps {
  wrong?: Wrong;
  submit: (form: HTMLFormElement) => void;
  className?: string;
  children: ReactNode;
}

/** Says what is wrong at each field, and takes the person to the first of them. */
export function Form({ wrong, submit, className = "", children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [wrong]);
  return (
    <AriaForm
      ref={form}
      className={className}
      validationBehavior="aria"
      validationErrors={wrong ?? {}}
      onSubmit={(event) => {
        event.preventDefault();
        submit(event.currentTarget);
      }}
    >
      {children}
    </AriaForm>
  );
}

interface LineProps {
  label: string;
  name: string;
  hint?: string;
  /** Left out, the form holds it: a passphrase does not go through the page's state. */
  value?: string;
  change?: (value: string) => void;
  /** More than one line. */
  rows?: number;
  longest?: number;
  type?: "text" | "password";
  autoComplete?: string;
  placeholder?: string;
  /** Written from left to right in every language. */
  code?: boolean;
  disabled?: boolean;
}

export function Line({ label, name, hint, value, change, rows, longest, type = "text", autoComplete = "off", placeholder, code, disabled }: LineProps) {
  const held = { ...(value === undefined ? {} : { value }), ...(change ? { onChange: change } : {}), ...(longest ? { maxLength: longest } : {}) };
  const shown = { ...(placeholder ? { placeholder } : {}), ...(code ? { dir: "ltr" } : {}) };
  return (
    <TextField className="field" name={name} type={type} autoComplete={autoComplete} spellCheck={code || type === "password" ? "false" : "true"} isDisabled={disabled ?? false} {...held}>
      <Label>{label}</Label>
      {hint && <Text slot="description" elementType="p" className="quiet">{hint}</Text>}
      <FieldError className="wrong" elementType="p" />
      {rows ? <TextArea rows={rows} {...shown} /> : <Input {...shown} />}
    </TextField>
  );
}

interface ChoiceProps<T extends string | number> {
  label: string;
  value: T;
  change: (value: T) => void;
  options: [T, string][];
}

/** One of a few: all of them are read before one is chosen. */
export function Choice<T extends string | number>({ label, value, change, options }: ChoiceProps<T>) {
  return (
    <RadioGroup className="choice" value={String(value)} onChange={(chosen) => change(options.find(([one]) => String(one) === chosen)![0])}>
      <Label>{label}</Label>
      {options.map(([one, words]) => <Radio key={one} value={String(one)}>{words}</Radio>)}
    </RadioGroup>
  );
}

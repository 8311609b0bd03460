// Fields of a form: what is asked, how to answer, what is wrong, and only then where to answer. Names, descriptions and errors
// are tied together by React Aria.

import { type ChangeEvent, createContext, type ReactNode, useContext, useEffect, useId, useRef, useState } from "react";
import { FieldError, Form as AriaForm, Input, Label, Radio, RadioGroup, Text, TextArea, TextField } from "react-aria-components";
import { Refused } from "./load";

/** What is wrong, by the name of the field. */
export type Wrong = Record<string, string>;

/** A form that is handed in: what is wrong with it, and what went wrong on the way. */
export interface Sending {
  wrong: Wrong;
  error: unknown;
  busy: boolean;
  submit: (form: HTMLFormElement) => void;
}

/** Hands a form in. `send` gives back what is wrong with the fields, if anything is, and throws where it did not come through. */
export function useSending(send: (form: HTMLFormElement) => Promise<Wrong | undefined>): Sending {
  const [state, setState] = useState<Omit<Sending, "submit">>({ wrong: {}, error: undefined, busy: false });
  const submit = (form: HTMLFormElement) => {
    if (state.busy) return;
    setState({ wrong: {}, error: undefined, busy: true });
    send(form).then(
      (wrong = {}) => setState({ wrong, error: undefined, busy: false }),
      (error: unknown) => setState({ wrong: {}, error, busy: false }),
    );
  };
  return { ...state, submit };
}

interface FormProps extends Partial<Omit<Sending, "submit">> {
  submit: Sending["submit"];
  className?: string;
  children: ReactNode;
}

/** What is wrong at a field, until something else is typed there or the form is handed in again. React Aria would take the message
 *  away when the field is left, and with it move the button that is being pressed from under the pointer. */
const Wrongs = createContext<{ of(name: string): string | undefined; touched(name: string): void }>({ of: () => undefined, touched: () => {} });

/** Says what is wrong at each field, and takes the person to the first of them. */
export function Form({ wrong, error, submit, className = "", children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [since, setSince] = useState<{ wrong: Wrong | undefined; touched: string[] }>({ wrong, touched: [] });
  const touched = since.wrong === wrong ? since.touched : [];
  const of = (name: string) => (touched.includes(name) ? undefined : wrong?.[name]);
  const wrongs = { of, touched: (name: string) => of(name) && setSince({ wrong, touched: [...touched, name] }) };
  useEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [wrong]);
  return (
    <AriaForm
      ref={form}
      className={className}
      validationBehavior="aria"
      onSubmit={(event) => {
        event.preventDefault();
        submit(event.currentTarget);
      }}
    >
      <Wrongs value={wrongs}>{children}</Wrongs>
      {error !== undefined && <Refused error={error} />}
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
  type?: "text" | "password" | "date";
  autoComplete?: string;
  placeholder?: string;
  /** Written from left to right in every language. */
  code?: boolean;
  disabled?: boolean;
  /** For a line that is looked at while it is typed; in a form, the form says it. */
  wrong?: string | undefined;
}

export function Line({ label, name, hint, value, change, rows, longest, type = "text", autoComplete = "off", placeholder, code, disabled, wrong }: LineProps) {
  const wrongs = useContext(Wrongs);
  const said = wrongs.of(name) ?? wrong;
  const typed = (text: string) => {
    wrongs.touched(name);
    change?.(text);
  };
  const held = { onChange: typed, ...(value === undefined ? {} : { value }), ...(longest ? { maxLength: longest } : {}), ...(said ? { isInvalid: true } : {}) };
  const shown = { ...(placeholder ? { placeholder } : {}), ...(code ? { dir: "ltr" } : {}) };
  return (
    <TextField className="field" name={name} type={type} autoComplete={autoComplete} spellCheck={code || type === "password" ? "false" : "true"} isDisabled={disabled ?? false} {...held}>
      <Label>{label}</Label>
      {hint && <Text slot="description" elementType="p" className="quiet">{hint}</Text>}
      <FieldError className="wrong" elementType="p">{said}</FieldError>
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

interface FileProps {
  label: string;
  name: string;
  hint?: string;
  /** Kinds of files, by type or ending. */
  accept: string;
  /** Left out, the form holds it. */
  choose?: (file: File | undefined) => void;
}

/** A file. React Aria has no field for it: the browser's own stands here, tied to its words in the same way. */
export function FileField({ label, name, hint, accept, choose }: FileProps) {
  const wrongs = useContext(Wrongs);
  const wrong = wrongs.of(name);
  const id = useId();
  const told = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ");
  const chosen = (event: ChangeEvent<HTMLInputElement>) => {
    wrongs.touched(name);
    choose?.(event.target.files?.[0]);
  };
  return (
    <div className="field" {...(wrong && { "data-invalid": true })}>
      <label htmlFor={id}>{label}</label>
      {hint && <p id={`${id}-hint`} className="quiet">{hint}</p>}
      {wrong && <p id={`${id}-wrong`} className="wrong">{wrong}</p>}
      <input id={id} type="file" name={name} accept={accept} aria-invalid={wrong !== undefined} aria-describedby={told || undefined} onChange={chosen} />
    </div>
  );
}

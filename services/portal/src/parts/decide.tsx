// A decision: laid out by the gateway, explained here, signed in the wallet, waited for.

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { I18nProvider } from "react-aria-components";
import type { Gateway } from "../api/gateway";
import type { Intent, ToSign } from "../api/types";
import { useSession } from "../session";
import { onChain, signTyped } from "../wallet/provider";
import { explain, type Explained } from "../words/decision";
import { same } from "../words/names";
import { Refused } from "./load";
import { Sheet } from "./sheet";
import { UnderWay } from "./under-way";
import { locale, t } from "../words/language";

export interface Plan {
  title: string;
  /** On the button. */
  verb: string;
  /** Asks the gateway to lay the decision out. */
  layOut(): Promise<{ id: string; sign: ToSign[] }>;
  /** Hands one signature over. */
  send(id: string, as: string, signature: string): Promise<unknown>;
  /** Waits until it counts. */
  settled?(id: string): Promise<void>;
  /** More to read beside the words, made from what was laid out; throws if it does not fit. */
  more?(laid: { id: string; sign: ToSign[] }): ReactNode;
  dangerous?: boolean;
}

/** A decision of kind `kind` that goes to the chain. */
export function intent(gateway: Gateway, title: string, verb: string, body: Record<string, unknown>): Plan {
  return { ...signing(gateway, title, verb, () => gateway.post<Intent>("/v1/intents", body)) };
}

/** A decision that is laid out already, or laid out in another way. */
export function signing(gateway: Gateway, title: string, verb: string, layOut: () => Promise<Intent>): Plan {
  return {
    title,
    verb,
    layOut,
    send: (id, as, signature) => gateway.put(`/v1/intents/${id}/signatures`, { as, signature }),
    settled: (id) => settled(gateway, id),
  };
}

/** With one-second blocks about four seconds; two minutes mean that something is stuck. */
async function settled(gateway: Gateway, id: string): Promise<void> {
  const until = Date.now() + 120_000;
  while (Date.now() < until) {
    const { state, error } = await gateway.get<Intent>(`/v1/intents/${id}`);
    if (state === "confirmed") return;
    if (state === "failed" || state === "expired") throw new Error(error ?? t("The decision did not come into force. Nothing has changed."));
    // Half done: other signatures are still missing, and who gives them is not waited for here.
    if (state === "prepared") return;
    await new Promise((wake) => setTimeout(wake, 500));
  }
  throw new Error(t("You signed, and the chain has not confirmed it within two minutes. Look again later; nothing is lost."));
}

type Decide = (plan: Plan) => Promise<boolean>;
const Context = createContext<Decide | undefined>(undefined);

export function useDecide(): Decide {
  const decide = useContext(Context);
  if (!decide) throw new Error("useDecide is used inside Decisions");
  return decide;
}

export function Decisions({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState<{ plan: Plan; done: (decided: boolean) => void }>();
  const decide: Decide = (plan) => new Promise((resolve) => setOpen({ plan, done: resolve }));
  const close = (decided: boolean) => {
    open?.done(decided);
    setOpen(undefined);
  };
  return (
    <I18nProvider locale={locale()}>
      <Context value={decide}>
        {!open && <UnderWay />}
        {children}
        {open && <Decision plan={open.plan} close={close} />}
      </Context>
    </I18nProvider>
  );
}

interface Laid {
  id: string;
  sign: ToSign[];
  words: Explained[];
  more: ReactNode;
}

function Decision({ plan, close }: { plan: Plan; close: (decided: boolean) => void }) {
  const { deployment, account, address, names, wallet } = useSession();
  const [laid, setLaid] = useState<Laid>();
  const [error, setError] = useState<unknown>();
  const [step, setStep] = useState<"read" | "wallet" | "chain">("read");

  useEffect(() => {
    let current = true;
    plan.layOut().then(
      (answer) => {
        if (!current) return;
        try {
          const sign = answer.sign.filter((entry) => !entry.signer || same(entry.signer, address));
          if (sign.length === 0) throw new Error(t("There is nothing for this wallet to sign."));
          // The registrar decides with its address, everybody else as the account.
          const about = (entry: ToSign) => (entry.as === "registrar" ? address : account);
          const words = sign.map((entry) => explain(entry.typedData, { deployment, account: about(entry), names, opens: entry.opens ?? undefined }));
          setLaid({ id: answer.id, sign, words, more: plan.more?.(answer) });
        } catch (failed) {
          setError(failed);
        }
      },
      (failed: unknown) => current && setError(failed),
    );
    return () => {
      current = false;
    };
  }, []);

  const sign = async () => {
    if (!laid) return;
    setError(undefined);
    try {
      setStep("wallet");
      await onChain(wallet, deployment.chainId);
      for (const entry of laid.sign) {
        // The object that was explained is the object that is signed.
        await plan.send(laid.id, entry.as, await signTyped(wallet, address, entry.typedData));
      }
      setStep("chain");
      await plan.settled?.(laid.id);
      close(true);
    } catch (failed) {
      setError(failed);
      setStep("read");
    }
  };

  const busy = step !== "read";
  return (
    <Sheet title={plan.title} busy={busy} close={() => close(false)}>
      {!laid && error === undefined && <p className="quiet" role="status">{t("Preparing…")}</p>}
      {laid?.words.map((words, place) => (
        <section key={laid.sign[place]!.as} className="words">
          <p className="sentence">{words.sentence}</p>
          <dl className="terms">
            {words.terms.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd><bdi>{value}</bdi></dd>
              </div>
            ))}
          </dl>
          <p className="effect">{words.effect}</p>
        </section>
      ))}
      {laid?.more}
      {error !== undefined && <Refused error={error} />}
      <p className="progress" role="status">
        {step === "wallet" && t("Confirm it in your wallet.")}
        {step === "chain" && t("Signed. Waiting until it counts, a few seconds…")}
      </p>
      <div className="buttons">
        <button type="button" className={plan.dangerous ? "danger" : "primary"} disabled={!laid || busy} onClick={sign}>
          {laid && laid.sign.length > 1 ? t("{verb} ({n} signatures)", { verb: plan.verb, n: laid.sign.length }) : plan.verb}
        </button>
        <button type="button" className="plain" disabled={busy} onClick={() => close(false)}>
          {t("Go back")}
        </button>
      </div>
    </Sheet>
  );
}

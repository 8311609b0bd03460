import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { Gateway } from "./api/gateway";
import type { Deployment, Hex, Role } from "./api/types";
import type { Own } from "./custody/own";
import type { Reader } from "./custody/reader";
import { type Loaded, useLoad } from "./parts/load";
import type { Wallet } from "./wallet/provider";
import { t } from "./words/language";
import { Names } from "./words/names";

/** A wallet signed in. It is gone when the page is reloaded: the token is kept in memory only. */
export interface Session {
  account: Hex;
  /** The wallet's address; another than the account's once that was handed over. */
  address: Hex;
  role: Role | null;
  gateway: Gateway;
  wallet: Wallet;
  /** The patient's own keys, once unlocked. */
  own?: Own;
  /** The own key of who reads others' records, once unlocked. */
  reader?: Reader | undefined;
}

interface Here {
  deployment: Loaded<Deployment>;
  session: Session | undefined;
  names: Names;
  enter(wallet: Wallet): Promise<void>;
  /** Holds a person's own keys until signing out; `gateway`: what records are read through from now on. */
  hold(keys: Pick<Session, "own" | "reader"> & Partial<Pick<Session, "gateway">>): void;
  leave(): Promise<void>;
}

const Context = createContext<Here | undefined>(undefined);

export function SessionProvider({ children }: { children: ReactNode }) {
  const deployment = useLoad(() => new Gateway().get<Deployment>("/v1/deployment"), []);
  const [session, setSession] = useState<Session>();
  const enter = useCallback(
    async (wallet: Wallet) => {
      if (!deployment.value) throw deployment.error ?? new Error(t("The gateway has not answered yet. Try again."));
      // Loaded when it is wanted: with it comes what checks addresses.
      const { signIn } = await import("./wallet/sign-in");
      const { address, answer } = await signIn(wallet, deployment.value);
      const gateway = new Gateway(answer.token, () => setSession(undefined));
      setSession({ account: answer.account, address, role: answer.role ?? null, gateway, wallet });
    },
    [deployment],
  );
  const leave = useCallback(async () => {
    setSession(undefined);
    // Signing out here does not wait for the gateway: the token is forgotten either way and expires there by itself.
    await session?.gateway.signOut().catch(() => undefined);
  }, [session]);
  const hold = useCallback<Here["hold"]>((keys) => setSession((now) => now && { ...now, ...keys }), []);
  const names = useMemo(() => new Names(deployment.value, session?.account), [deployment.value, session?.account]);
  return <Context value={{ deployment, session, names, enter, hold, leave }}>{children}</Context>;
}

/** What is inside reads through this gateway. */
export function Through({ gateway, children }: { gateway: Gateway; children: ReactNode }) {
  const here = useHere();
  return <Context value={{ ...here, session: here.session && { ...here.session, gateway } }}>{children}</Context>;
}

export function useHere(): Here {
  const here = useContext(Context);
  if (!here) throw new Error("useHere is used inside SessionProvider");
  return here;
}

/** For pages behind a door: who is signed in, and where. */
export function useSession(): Session & { deployment: Deployment; names: Names } {
  const { session, deployment, names } = useHere();
  if (!session || !deployment.value) throw new Error("useSession is used behind a door");
  return { ...session, deployment: deployment.value, names };
}

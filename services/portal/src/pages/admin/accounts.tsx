import { useState } from "react";
import { isAddress } from "viem";
import type { Role } from "../../api/types";
import { intent, useDecide } from "../../parts/decide";
import { Line } from "../../parts/fields";
import { Show, useLoad } from "../../parts/load";
import { type Listed, listed } from "../../proof/directory";
import { useSession } from "../../session";
import { ROLES, same } from "../../words/names";
import { capital } from "../../words/scopes";
import { t } from "../../words/language";

/** The Directory, read from the chain through the wallet's own node. */
export function Accounts() {
  const { deployment, wallet, names } = useSession();
  const accounts = useLoad(() => listed(deployment, wallet.provider), [deployment, wallet]);
  const [search, setSearch] = useState("");
  const [role, setRole] = useState<Role | "">("");
  const wanted = search.trim().toLowerCase();
  const whole = wanted.startsWith("0x") && wanted.length >= 42;
  const malformed = wanted !== "" && (!/^(0x)?[0-9a-f]*$/.test(wanted) || wanted.length > 42) && !isAddress(wanted, { strict: false });
  return (
    <>
      <h1 tabIndex={-1}>{t("Accounts")}</h1>
      <p>{t("Every account of the Directory, as the chain has it.")}</p>
      <div className="filters">
        <Line
          label={t("Search by address")}
          name="search"
          code
          placeholder="0x…"
          value={search}
          change={setSearch}
          wrong={malformed ? t("This is not an address. An address begins with 0x and has 40 letters a–f and digits after it.") : undefined}
        />
        <label>{t("Role")}<select value={role} onChange={(event) => setRole(event.target.value as Role | "")}>
            <option value="">{t("All")}</option>
            {(Object.keys(ROLES) as Role[]).map((one) => <option key={one} value={one}>{capital(t(ROLES[one]))}</option>)}
          </select>
        </label>
      </div>
      <Show of={accounts}>
        {(all) => {
          const shown = all.filter((one) => (role === "" || one.role === role) && one.address.toLowerCase().includes(wanted));
          if (shown.length === 0 && !malformed) {
            return <p className="quiet">{whole ? t("No account is registered with this address.") : t("No account fits.")}</p>;
          }
          return (
            <ul className="rows">
              {shown.map((one) => (
                <Row key={one.address} one={one} name={deployment.organisations.find((o) => same(o.account, one.address)) && names.of(one.address)} changed={accounts.reload} />
              ))}
            </ul>
          );
        }}
      </Show>
    </>
  );
}

function Row({ one, name, changed }: { one: Listed; name: string | undefined; changed: () => Promise<void> }) {
  const { gateway } = useSession();
  const decide = useDecide();
  const set = async (kind: "suspend" | "reinstate") => {
    const [title, verb] = kind === "suspend" ? [t("Suspend this account?"), t("Suspend and sign")] : [t("Reinstate this account?"), t("Reinstate and sign")];
    const plan = intent(gateway, title, verb, { kind, who: one.address });
    if (await decide({ ...plan, dangerous: kind === "suspend" })) await changed();
  };
  return (
    <li>
      <span>
        <strong>{name ?? capital(t(ROLES[one.role]))}{one.status !== "active" && ` (${t(one.status)})`}</strong>
        <span className="address">{one.address}</span>
      </span>
      {one.status === "active" && <button type="button" onClick={() => set("suspend")} aria-label={t("Suspend {address}", { address: one.address })}>{t("Suspend")}</button>}
      {one.status === "suspended" && <button type="button" onClick={() => set("reinstate")} aria-label={t("Reinstate {address}", { address: one.address })}>{t("Reinstate")}</button>}
    </li>
  );
}

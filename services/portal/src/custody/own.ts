// A patient's own keys, unlocked: in memory only, gone with the session.

import type { Gateway } from "../api/gateway";
import type { Deployment, Hex } from "../api/types";
import type { Provider } from "../wallet/provider";
import { alone, type OwnRecords } from "./alone";
import { Chain } from "./chain";
import { marks, placeOf } from "./keep";
import type { Kit } from "./kit";
import { Maker } from "./make";
import { OwnGateway } from "./own-gateway";

export interface Where {
  deployment: Deployment;
  account: Hex;
  /** The gateway as it is, which opens nothing for who keeps the keys. */
  gateway: Gateway;
  provider: Provider;
}

export class Own {
  readonly chain: Chain;
  readonly maker: Maker;
  /** Reads like the gateway does, and opens here. */
  readonly gateway: OwnGateway;

  constructor(
    readonly kit: Kit,
    { deployment, account, gateway, provider }: Where,
  ) {
    this.chain = new Chain(deployment, account, provider);
    this.maker = new Maker(kit.secret, this.chain, gateway, marks(placeOf(kit)));
    this.gateway = new OwnGateway(gateway, this.chain, () => this.maker.ring());
  }

  /** Wraps of a claim and what it cites, each alone. */
  alone(grantee: Hex, claim: Hex, base: string): Promise<OwnRecords> {
    return alone(this.maker, this.gateway, grantee, claim, base);
  }
}

/** Whether this build holds the wallet of the published development accounts. */
declare const __SAMPLE_WALLET__: boolean;
/** The gateway's public origin when Vite serves the app from elsewhere; empty when the gateway itself serves it. */
declare const __ORIGIN__: string;

/** Has this browser keep the page, so that it also opens without a network. What it shows is kept by the store. */

const WORKER = "/worker.js";

/** Of Trusted Types, which the platform's types do not know yet: what comes out stands for a string. */
interface Trusting {
  trustedTypes?: {
    createPolicy(
      name: string,
      rules: { createScriptURL: () => string },
    ): { createScriptURL: (address: string) => string };
  };
}

/** Once the page is there: nothing that one waits for shall wait for it. */
export async function keepPage(): Promise<void> {
  // Not where it is not built, and not on addresses that browsers do not trust with it (HTTP, but for this machine's own).
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  // The policy knows one address, whatever it is asked for.
  const { trustedTypes } = window as Trusting;
  const policy = trustedTypes?.createPolicy("parley-worker", { createScriptURL: () => WORKER });
  try {
    await navigator.serviceWorker.register(policy?.createScriptURL(WORKER) ?? WORKER);
  } catch {
    // A private window, or a gateway of another build: without a network there is no page then, and everything else works.
  }
}

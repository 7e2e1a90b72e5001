import { RateLimiterMemory } from "rate-limiter-flexible";
import { accessErrors } from "@xiezhi/rpc/access/access.errors.ts";

/**
 * Failed log-ins slow the next ones: five in a minute close the door to that login from that address for 30 s; an address
 * that tries many logins waits too. Nobody can lock another person out from elsewhere.
 */
export class Attempts {
  private readonly pairs = new RateLimiterMemory({ points: 5, duration: 60, blockDuration: 30 });
  private readonly addresses = new RateLimiterMemory({ points: 60, duration: 300, blockDuration: 60 });

  /** Throws RESOURCE_EXHAUSTED with the seconds to wait. */
  async mayTry(login: string, caller: string): Promise<void> {
    const from = addressOf(caller);
    const [pair, address] = await Promise.all([this.pairs.get(pairOf(login, from)), this.addresses.get(from)]);
    const waits = [
      pair && pair.remainingPoints <= 0 ? pair.msBeforeNext : 0,
      address && address.remainingPoints <= 0 ? address.msBeforeNext : 0,
    ];
    const waitMs = Math.max(...waits);
    if (waitMs > 0) throw accessErrors.slowed(Math.ceil(waitMs / 1_000));
  }

  async failed(login: string, caller: string): Promise<void> {
    const from = addressOf(caller);
    // A limiter rejects when a key has no points left: that is its answer, not a fault.
    await Promise.allSettled([this.pairs.consume(pairOf(login, from)), this.addresses.consume(from)]);
  }

  async succeeded(login: string, caller: string): Promise<void> {
    await this.pairs.delete(pairOf(login, addressOf(caller)));
  }
}

function pairOf(login: string, from: string): string {
  return JSON.stringify([login.toLowerCase(), from]);
}

/** Without the port, which is another one for each connection. */
function addressOf(caller: string): string {
  return /^(?:ipv[46]:)?((?:\d{1,3}\.){3}\d{1,3}|\[[^\]]*\])(?::\d+)?$/.exec(caller)?.[1] ?? caller;
}

import { Health as HealthService, HealthCheckResponse_ServingStatus as Status } from "@xiezhi/protos/gen/grpc/health/v1/health_pb.js";
import { implement, type Implementation } from "./service.ts";

/** What `grpc.health.v1` tells of a program: one state for all its services. */
export class Health {
  private serving = true;
  private readonly listeners = new Set<() => void>();

  set(serving: boolean): void {
    if (serving === this.serving) return;
    this.serving = serving;
    for (const listener of this.listeners) listener();
  }

  implementation(): Implementation {
    return implement(HealthService, {
      check: async () => ({ status: this.status() }),
      watch: (_request, { signal }) => this.watch(signal),
    });
  }

  private status(): Status {
    return this.serving ? Status.SERVING : Status.NOT_SERVING;
  }

  private async *watch(signal: AbortSignal): AsyncGenerator<{ status: Status }, void> {
    let changed = Promise.withResolvers<void>();
    const wake = () => changed.resolve();
    this.listeners.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted) {
        yield { status: this.status() };
        await changed.promise;
        changed = Promise.withResolvers<void>();
      }
    } finally {
      this.listeners.delete(wake);
    }
  }
}

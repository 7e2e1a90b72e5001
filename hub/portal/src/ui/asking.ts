import {
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  create,
  fromJsonString,
  toJsonString,
} from "@bufbuild/protobuf";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { askWhoAmI, call, queries, socket } from "../client.ts";
import { pageClock } from "../clock.ts";
import { toXiezhiError } from "../failures.ts";
import { isRefusal, type Seen } from "./seen.ts";
import { Watch } from "./watch.ts";

/** Watches a server stream while the component stands; `pick` must be the same function at each render. */
export function useWatch<I extends DescMessage, O extends DescMessage, V>(
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
  pick: (message: MessageShape<O>) => V | undefined,
): Seen<V> & { heardAgoMs: () => number } {
  const key = toJsonString(method.input, create(method.input, request));
  const watch = useMemo(() => {
    const asked = fromJsonString(method.input, key) as MessageInitShape<I>;
    return new Watch({ socket, clock: pageClock, method, request: asked, pick });
  }, [method, key, pick]);
  const seen = useSyncExternalStore(watch.subscribe, watch.snapshot);
  const stranger = seen.state === "refused" && seen.error.code === "UNAUTHENTICATED";
  useEffect(() => {
    if (stranger) askWhoAmI();
  }, [stranger]);
  return useMemo(() => ({ ...seen, heardAgoMs: () => watch.heardAgoMs() }), [seen, watch]);
}

/** Asks once and again when the page comes to the front; `everyMs` for what changes while one looks. */
export function useAsk<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: { everyMs?: number; enabled?: boolean } = {},
): Seen<MessageShape<O>> {
  const name = `${method.parent.typeName}/${method.name}`;
  const query = useQuery({
    queryKey: [name, toJsonString(method.input, create(method.input, request))],
    queryFn: ({ signal }) => call(method, request, signal),
    enabled: options.enabled ?? true,
    refetchInterval: options.everyMs ?? false,
  });
  return useMemo(() => {
    if (query.error) {
      const error = toXiezhiError(query.error);
      if (isRefusal(error)) return { state: "refused", error };
      return { state: "stale", value: query.data, sinceMs: query.dataUpdatedAt || query.errorUpdatedAt, error };
    }
    if (query.data === undefined) return { state: "loading" };
    return { state: "live", value: query.data, provenAtMs: query.dataUpdatedAt };
  }, [query.data, query.error, query.dataUpdatedAt, query.errorUpdatedAt]);
}

/** After a change: whatever this service answered before is asked again. */
export function askAgain(service: { typeName: string }): Promise<void> {
  return queries.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[0]).startsWith(`${service.typeName}/`) });
}

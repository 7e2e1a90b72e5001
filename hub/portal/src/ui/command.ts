import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { useRef, useState } from "react";
import { call, newId } from "../client.ts";
import { toXiezhiError } from "../failures.ts";

type Asked<I extends DescMessage> = MessageInitShape<I> & { requestId?: string };

export interface Command<I extends DescMessage, O extends DescMessage> {
  busy: boolean;
  error: XiezhiError | undefined;
  /** Asks with a new request id; undefined when it was refused or is not confirmed (`error` says which). */
  run: (request: Asked<I>) => Promise<MessageShape<O> | undefined>;
  /** The same request with the same id: done at most once however often it is asked. */
  again: () => Promise<MessageShape<O> | undefined>;
  forget: () => void;
}

/** A change that a person asks for. */
export function useCommand<I extends DescMessage, O extends DescMessage>(method: DescMethodUnary<I, O>): Command<I, O> {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<XiezhiError>();
  const last = useRef<Asked<I> | undefined>(undefined);
  const ask = async () => {
    if (!last.current) return undefined;
    setBusy(true);
    setError(undefined);
    try {
      return await call(method, last.current);
    } catch (thrown) {
      setError(toXiezhiError(thrown));
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    error,
    run: (request) => {
      last.current = { ...request, requestId: newId() };
      return ask();
    },
    again: ask,
    forget: () => setError(undefined),
  };
}

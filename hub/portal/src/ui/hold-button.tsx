import { type ReactNode, useEffect, useEffectEvent, useState } from "react";
import { pageClock, type Timer } from "../clock.ts";

/** How long a button that ends something must be held, ms. */
const holdMs = 1_500;

/** A button that acts only when held for 1.5 s, by pointer or by the space or enter key; letting go earlier does nothing. */
export function HoldButton({
  children,
  onHeld,
  className,
  testId,
}: {
  children: ReactNode;
  onHeld: () => void;
  className: string;
  testId: string;
}) {
  const [holding, setHolding] = useState(false);
  const held = useEffectEvent(onHeld);
  useEffect(() => {
    if (!holding) return;
    const timer: Timer = pageClock.after(holdMs, () => {
      setHolding(false);
      held();
    });
    return () => timer.cancel();
  }, [holding]);
  const letGo = () => setHolding(false);
  return (
    <button
      type="button"
      data-testid={testId}
      className={`${className} hold ${holding ? "holding" : ""}`}
      style={{ "--hold-ms": `${holdMs}ms` } as React.CSSProperties}
      onPointerDown={(event) => event.button === 0 && setHolding(true)}
      onPointerUp={letGo}
      onPointerLeave={letGo}
      onBlur={letGo}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        if (event.key !== " " && event.key !== "Enter") return;
        event.preventDefault();
        if (!event.repeat) setHolding(true);
      }}
      onKeyUp={letGo}
    >
      <span>{children}</span>
    </button>
  );
}

import type { ReactNode } from "react";

/** A page's head: what it is about, its state in words, and what can be done. */
export function Title({ children, sub, state, actions }: { children: ReactNode; sub?: ReactNode; state?: ReactNode; actions?: ReactNode }) {
  return (
    <header className="title">
      <div>
        <h1>{children}</h1>
        {sub && <p>{sub}</p>}
      </div>
      {state}
      {actions && <div className="title-actions">{actions}</div>}
    </header>
  );
}

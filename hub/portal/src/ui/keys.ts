import { useEffect, useEffectEvent } from "react";

/** Keys of a page, by `KeyboardEvent.key` in lower case; what is typed into a field or a dialog stays there. */
export function useKeys(keys: Record<string, () => void>): void {
  const pressed = useEffectEvent((event: KeyboardEvent) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
    const act = keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => pressed(event);
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, []);
}

function inField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  // Buttons and radios have no use for digits and letters; the space key is theirs.
  return (
    target.isContentEditable ||
    target.closest("textarea, select, [role=dialog], [role=combobox], input:not([type=radio]):not([type=checkbox]):not([type=range])") !==
      null
  );
}

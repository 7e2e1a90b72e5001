import type { Light, LightColour } from "@xiezhi/protos/light.ts";
import "../look/light.css";
import { useLanguage } from "./language.ts";

const drawings: Record<LightColour, React.ReactNode> = {
  green: <circle cx="32" cy="32" r="26" />,
  amber: <path d="M32 5 61 58H3Z" />,
  red: (
    <>
      <rect x="7" y="7" width="50" height="50" rx="4" />
      <path d="M20 20 44 44M44 20 20 44" stroke="var(--paper)" strokeWidth="8" strokeLinecap="round" />
    </>
  ),
  blue: (
    <>
      <rect x="11" y="6" width="15" height="52" rx="3" />
      <rect x="38" y="6" width="15" height="52" rx="3" />
    </>
  ),
};

/** The light with its shape and word, for those who don't tell colours apart and those who read it from 3 m. */
export function LightSign({ light, detail }: { light: Light; detail?: React.ReactNode }) {
  const language = useLanguage();
  return (
    <div
      className={`light light-${light.colour}`}
      data-testid="light"
      data-colour={light.colour}
      data-reason={light.reason}
      role="status"
      aria-live="assertive"
    >
      <svg viewBox="0 0 64 64" aria-hidden="true">
        {drawings[light.colour]}
      </svg>
      <strong>{light[language]}</strong>
      {detail}
    </div>
  );
}

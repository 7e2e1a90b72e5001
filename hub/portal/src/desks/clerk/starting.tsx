import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import type { StartStep } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { Alert, Button } from "antd";
import type { ReactNode } from "react";
import { errorText, useLanguage, useTexts } from "../../ui/language.ts";
import { useInstant } from "../../ui/times.ts";
import { texts } from "./clerk.texts.ts";
import type { StartState } from "./start.ts";

interface StartingProps {
  state: StartState;
  /** What people call a track or device of the room. */
  nameOf: (id: string) => string;
  repeat: () => void;
  forget: () => void;
}

/** What became of the press, and each step as the room tells it. */
export function Starting({ state, nameOf, repeat, forget }: StartingProps) {
  const t = useTexts(texts);
  const dismiss = (
    <Button size="small" onClick={forget} data-testid="start-dismiss">
      {t.dismiss}
    </Button>
  );
  const ask = (
    <Button size="small" type="primary" onClick={repeat} data-testid="start-again">
      {t.askAgain}
    </Button>
  );
  return (
    <div className="starting" data-testid="start" data-step={state.step}>
      {state.step === "unconfirmed" && (
        <Alert
          data-testid="unconfirmed"
          type="warning"
          showIcon
          title={t.unconfirmedTitle}
          description={state.repeating ? t.unconfirmed : t.unconfirmedLeft}
          action={state.repeating ? undefined : [ask, dismiss]}
        />
      )}
      {(state.step === "notSent" || state.step === "refused") && (
        <NotStarted error={state.error} title={state.step === "notSent" ? t.notSent : t.startRefused} action={dismiss} />
      )}
      {"steps" in state && state.steps.length > 0 && <Steps steps={state.steps} nameOf={nameOf} />}
    </div>
  );
}

function NotStarted({ error, title, action }: { error: XiezhiError; title: string; action: ReactNode }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  const { startedBy, startedAtMs } = error.details;
  // No failure: somebody was first, and the Desk shows that recording.
  const runs = error.reason === "ROOMS_RUNNING" && startedBy !== undefined;
  return (
    <Alert
      data-testid="start-refused"
      data-reason={error.reason}
      type={runs ? "info" : "error"}
      showIcon
      title={runs ? t.runsAlready : title}
      description={runs ? t.startedBy(startedBy, instant(Number(startedAtMs))) : errorText(error, language)}
      action={action}
    />
  );
}

/** One line for each device: how far it has come, or where it failed. */
function Steps({ steps, nameOf }: { steps: StartStep[]; nameOf: (id: string) => string }) {
  const t = useTexts(texts);
  const names: Readonly<Record<string, string>> = t.step;
  const furthest = new Map<string, StartStep>();
  for (const it of steps) if (furthest.get(it.device)?.ok !== false) furthest.set(it.device, it);
  return (
    <ol className="steps" aria-label={t.steps} data-testid="start-steps">
      {[...furthest.values()].map((it) => (
        <li key={it.device} className={it.ok ? "step-ok" : "step-bad"} data-device={it.device} data-step={it.step} data-ok={it.ok}>
          <b aria-hidden="true">{it.ok ? "✓" : "✕"}</b> {nameOf(it.device)} · {names[it.step] ?? it.step}
          {it.reason && ` · ${it.reason}`} <small>{it.ms} ms</small>
        </li>
      ))}
    </ol>
  );
}

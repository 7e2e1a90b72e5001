import {
  CommandOutcome,
  CommandOutcomeSchema,
  type CommandResult,
  type CommandSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { type Device, DevicesService } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Button, Select, Space } from "antd";
import { type ReactNode, useState } from "react";
import { useCommand } from "../../ui/command.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { Failure } from "../../ui/shown.tsx";
import { texts } from "./rooms.texts.ts";

type What = NonNullable<MessageInitShape<typeof CommandSchema>["what"]>;

interface TrialProps {
  device: Device;
  busy: boolean;
  order: (what: What) => void;
}

/** What a person can have a device do, by the capability that it says it has. */
const trials: Record<string, (props: TrialProps) => ReactNode> = { presets: RecallPreset, keyFrame: RequestKeyFrame };

/** "Try it": one order to one device, and what the device made of it. */
export function DeviceTrials({ device }: { device: Device }) {
  const command = useCommand(DevicesService.method.commandDevice);
  const [result, setResult] = useState<CommandResult>();
  const order = (what: What) => {
    setResult(undefined);
    void command.run({ roomId: device.roomId, deviceId: device.id, command: { what } }).then((answer) => setResult(answer?.result));
  };
  const known = device.capabilities.flatMap((name) => trials[name] ?? []);
  if (known.length === 0) return "—";
  return (
    <div data-testid={`trials-${device.id}`}>
      <Space wrap>
        {known.map((Trial) => (
          <Trial key={Trial.name} device={device} busy={command.busy} order={order} />
        ))}
      </Space>
      <Failure error={command.error} again={() => void command.again().then((answer) => setResult(answer?.result))} />
      {result && <Outcome result={result} />}
    </div>
  );
}

function RecallPreset({ device, busy, order }: TrialProps) {
  const t = useTexts(texts);
  const presets = device.state?.presets ?? [];
  return (
    <Select
      size="small"
      className="preset"
      placeholder={t.toPreset}
      aria-label={t.toPreset}
      value={null}
      disabled={busy || presets.length === 0}
      options={presets.map(({ token, name }) => ({ value: token, label: name || token }))}
      onSelect={(token) => order({ case: "recallPreset", value: { token: token ?? "" } })}
      data-testid={`preset-${device.id}`}
    />
  );
}

function RequestKeyFrame({ device, busy, order }: TrialProps) {
  const t = useTexts(texts);
  return (
    <Button
      size="small"
      disabled={busy}
      onClick={() => order({ case: "requestKeyFrame", value: {} })}
      data-testid={`key-frame-${device.id}`}
    >
      {t.keyFrame}
    </Button>
  );
}

function Outcome({ result }: { result: CommandResult }) {
  const language = useLanguage();
  const t = useTexts(texts);
  const done = result.outcome === CommandOutcome.DONE;
  return (
    <small className={done ? "under" : "under refused"} role="status" data-testid="outcome" data-outcome={CommandOutcome[result.outcome]}>
      {done ? "✓" : "✕"} {enumText(CommandOutcomeSchema, result.outcome, language)} · {done ? t.took(result.tookMs) : result[language]}
    </small>
  );
}

import { BackwardOutlined, CaretRightOutlined, ForwardOutlined, PauseOutlined } from "@ant-design/icons";
import { Button, Select } from "antd";
import type { PlayerState } from "../../media/player.ts";
import { useTexts } from "../../ui/language.ts";
import { clockText } from "../../ui/times.ts";
import { texts } from "./takes.texts.ts";

interface ControlsProps {
  state: PlayerState;
  rates: number[];
  act: { toggle: () => void; by: (s: number) => void; setRate: (rate: number) => void };
}

/** Play, ten seconds back and ahead, speed, and where we are. */
export function Controls({ state, rates, act }: ControlsProps) {
  const t = useTexts(texts);
  return (
    <section
      className="controls"
      data-testid="controls"
      data-playing={state.playing}
      data-waiting={state.waiting}
      data-at={state.atS.toFixed(3)}
    >
      <Button size="large" icon={<BackwardOutlined />} onClick={() => act.by(-10)} aria-label={t.back} data-testid="back" />
      <Button
        size="large"
        type="primary"
        icon={state.playing ? <PauseOutlined /> : <CaretRightOutlined />}
        onClick={act.toggle}
        aria-label={state.playing ? t.pause : t.play}
        data-testid="play"
      />
      <Button size="large" icon={<ForwardOutlined />} onClick={() => act.by(10)} aria-label={t.ahead} data-testid="ahead" />
      <output className="at" data-testid="at">
        {clockText(state.atS)} <small>/ {clockText(state.endS)}</small>
      </output>
      <Select
        value={state.rate}
        onChange={act.setRate}
        aria-label={t.rate(state.rate)}
        data-testid="rate"
        options={rates.map((it) => ({ value: it, label: t.rate(it) }))}
      />
      {state.playing && state.waiting && <span className="quiet">{t.waiting}</span>}
      <span className="quiet keys-hint">{t.keys}</span>
    </section>
  );
}

import { BackwardOutlined, CaretRightOutlined, ForwardOutlined, PauseOutlined } from "@ant-design/icons";
import { Button, Select } from "antd";
import { useSyncExternalStore } from "react";
import type { Player } from "../../media/player.ts";
import { useTexts } from "../../ui/language.ts";
import { clockText } from "../../ui/times.ts";
import { texts } from "./takes.texts.ts";

const rates = [0.5, 1, 1.5, 2, 4];
const frameS = 0.04;

const moveBy = (player: Player, s: number) => player.seek(player.snapshot().atS + s);

/** Space, arrows, J/K/L and comma/full stop, as editors of moving pictures have them. */
export function playerKeys(player: Player): Record<string, () => void> {
  const { snapshot } = player;
  return {
    " ": () => player.play(!snapshot().playing),
    k: () => player.play(false),
    j: () => player.setRate(rates.findLast((it) => it < snapshot().rate) ?? rates[0]!),
    l: () => (snapshot().playing ? player.setRate(rates.find((it) => it > snapshot().rate) ?? rates.at(-1)!) : player.play(true)),
    arrowleft: () => moveBy(player, -10),
    arrowright: () => moveBy(player, 10),
    ",": () => moveBy(player, -frameS),
    ".": () => moveBy(player, frameS),
  };
}

/** Play, ten seconds back and ahead, speed, and where we are. */
export function Controls({ player }: { player: Player }) {
  const t = useTexts(texts);
  const state = useSyncExternalStore(player.subscribe, player.snapshot);
  return (
    <section
      className="controls"
      data-testid="controls"
      data-playing={state.playing}
      data-waiting={state.waiting}
      data-at={state.atS.toFixed(3)}
    >
      <Button size="large" icon={<BackwardOutlined />} onClick={() => moveBy(player, -10)} aria-label={t.back} data-testid="back" />
      <Button
        size="large"
        type="primary"
        icon={state.playing ? <PauseOutlined /> : <CaretRightOutlined />}
        onClick={() => player.play(!state.playing)}
        aria-label={state.playing ? t.pause : t.play}
        data-testid="play"
      />
      <Button size="large" icon={<ForwardOutlined />} onClick={() => moveBy(player, 10)} aria-label={t.ahead} data-testid="ahead" />
      <output className="at" data-testid="at">
        {clockText(state.atS)} <small>/ {clockText(state.endS)}</small>
      </output>
      <Select
        value={state.rate}
        onChange={(rate) => player.setRate(rate)}
        aria-label={t.rate(state.rate)}
        data-testid="rate"
        options={rates.map((it) => ({ value: it, label: t.rate(it) }))}
      />
      {state.playing && state.waiting && <span className="quiet">{t.waiting}</span>}
      <span className="quiet keys-hint">{t.keys}</span>
    </section>
  );
}

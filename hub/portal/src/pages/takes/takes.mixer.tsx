import { AudioMutedOutlined, AudioOutlined } from "@ant-design/icons";
import type { TrackInfo } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { Button } from "antd";
import { useTexts } from "../../ui/language.ts";
import { texts } from "./takes.texts.ts";

/** This page's mix by track number; what is not named is heard in full. The recording is not touched. */
export type Mix = Readonly<Record<number, { muted: boolean; volume: number }>>;

interface MixerProps {
  microphones: TrackInfo[];
  mix: Mix;
  change: (mix: Mix) => void;
  muteAll: () => void;
  allMuted: boolean;
}

export function Mixer({ microphones, mix, change, muteAll, allMuted }: MixerProps) {
  const t = useTexts(texts);
  return (
    <section className="panel mixer">
      <h2>
        {t.sound}
        <Button size="small" onClick={muteAll} data-testid="mute-all" aria-keyshortcuts="M">
          {allMuted ? t.unmuteAll : t.muteAll}
        </Button>
      </h2>
      {microphones.map((it) => {
        const label = it.label || it.id;
        const now = mix[it.number] ?? { muted: false, volume: 1 };
        return (
          <div key={it.id} className="mixer-line">
            <Button
              icon={now.muted ? <AudioMutedOutlined /> : <AudioOutlined />}
              danger={now.muted}
              aria-pressed={now.muted}
              aria-label={t.mute(label)}
              data-testid={`mute-${it.id}`}
              onClick={() => change({ ...mix, [it.number]: { ...now, muted: !now.muted } })}
            />
            <span>{label}</span>
            <input
              type="range"
              min="0"
              max="100"
              value={Math.round(now.volume * 100)}
              aria-label={t.volume(label)}
              data-testid={`volume-${it.id}`}
              onChange={(event) => change({ ...mix, [it.number]: { muted: false, volume: Number(event.target.value) / 100 } })}
            />
          </div>
        );
      })}
    </section>
  );
}

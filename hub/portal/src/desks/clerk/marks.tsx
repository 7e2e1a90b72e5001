import type { DeskTake } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { Button, Input, Modal } from "antd";
import { useState } from "react";
import { markText, markTypes } from "../../pages/takes/takes.marks.ts";
import { useCommand } from "../../ui/command.ts";
import { useKeys } from "../../ui/keys.ts";
import { useLanguage, useTexts } from "../../ui/language.ts";
import { clockText } from "../../ui/times.ts";
import { texts } from "./clerk.texts.ts";
import { CommandFailure } from "./command-failure.tsx";

/** What has been marked, and a key for each kind of mark. */
export function Marks({ roomId, take, mayMark }: { roomId: string; take: DeskTake; mayMark: boolean }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const mark = useCommand(RoomService.method.mark);
  const [note, setNote] = useState<string>();
  const press = (key: string) => {
    const found = markTypes.find((it) => it.key === key);
    if (!found || !mayMark) return;
    if ("asks" in found) setNote("");
    else void mark.run({ roomId, type: found.type });
  };
  useKeys(Object.fromEntries(markTypes.map((it) => [it.key, () => press(it.key)])));
  const saveNote = () => {
    void mark.run({ roomId, type: "note", text: note ?? "" });
    setNote(undefined);
  };
  return (
    <section className="panel">
      <h2>{t.marks}</h2>
      {mayMark && (
        <div className="mark-keys">
          {markTypes.map((it) => (
            <Button key={it.key} onClick={() => press(it.key)} data-testid={`mark-${it.type}`} aria-keyshortcuts={it.key}>
              <kbd>{it.key}</kbd> {it[language]}
            </Button>
          ))}
        </div>
      )}
      <CommandFailure command={mark} />
      <ol className="marks" data-testid="marks" reversed>
        {take.marks.toReversed().map((it) => (
          <li key={it.id} data-type={it.type}>
            <time>{clockText(Number(it.takeUs) / 1e6)}</time> {markText(it.type, language)}
            {it.text && <span>{it.text}</span>}
          </li>
        ))}
      </ol>
      {take.marks.length === 0 && <p className="quiet">{t.noMarks}</p>}
      <Modal
        open={note !== undefined}
        title={t.noteTitle}
        okText={t.save}
        cancelText={t.cancel}
        onOk={saveNote}
        onCancel={() => setNote(undefined)}
        destroyOnHidden
      >
        <Input
          autoFocus
          maxLength={500}
          aria-label={t.noteText}
          placeholder={t.noteText}
          value={note ?? ""}
          data-testid="note-text"
          onChange={(event) => setNote(event.target.value)}
          onPressEnter={saveNote}
        />
      </Modal>
    </section>
  );
}

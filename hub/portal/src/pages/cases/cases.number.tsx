import { CasesService, NumberKind, NumberKindSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Button, Input } from "antd";
import { useEffect } from "react";
import { useSettled } from "../../clock.ts";
import { useAsk } from "../../ui/asking.ts";
import { enumText, errorText, useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { texts } from "./cases.texts.ts";

interface NumberFieldProps {
  value?: string;
  onChange?: (text: string) => void;
  onKind: (kind: NumberKind) => void;
}

/** A case number as it is typed; the server says what it understands, and Enter accepts its form. */
export function NumberField({ value = "", onChange, onKind }: NumberFieldProps) {
  const t = useTexts(texts);
  const typed = useSettled(value, 250).trim();
  const seen = useAsk(CasesService.method.readNumber, { text: typed }, { enabled: typed !== "" });
  const read = typed === value.trim() ? valueOf(seen) : undefined;
  const kind = read?.number?.kind ?? NumberKind.UNSPECIFIED;
  useEffect(() => onKind(kind), [kind, onKind]);
  const suggestion = read?.corrected ? read.number?.text : undefined;
  const accept = () => suggestion && onChange?.(suggestion);
  return (
    <>
      <Input
        autoFocus
        size="large"
        maxLength={100}
        placeholder={t.numberHint}
        aria-label={t.number}
        value={value}
        data-testid="case-number"
        onChange={(event) => onChange?.(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !suggestion || event.nativeEvent.isComposing) return;
          event.preventDefault();
          accept();
        }}
      />
      <p className="number-read" aria-live="polite">
        {suggestion && (
          <>
            {t.understood} <b data-testid="case-number-read">{suggestion}</b>{" "}
            <Button size="small" type="primary" onClick={accept} data-testid="case-number-accept">
              {t.accept}
            </Button>
          </>
        )}
        {typed !== "" && <NumberVerdict seen={seen} />}
      </p>
    </>
  );
}

function NumberVerdict({
  seen,
}: {
  seen: ReturnType<typeof useAsk<typeof CasesService.method.readNumber.input, typeof CasesService.method.readNumber.output>>;
}) {
  const t = useTexts(texts);
  const language = useLanguage();
  if (seen.state === "refused")
    return (
      <span className="number-wrong" data-testid="case-number-wrong">
        {errorText(seen.error, language)}
      </span>
    );
  const read = valueOf(seen);
  if (!read?.number) return null;
  const { kind } = read.number;
  if (kind === NumberKind.EXTENSION) return <span>{t.extension}</span>;
  if (kind === NumberKind.LEGACY) return <span>{enumText(NumberKindSchema, kind, language)}</span>;
  return read.corrected ? null : (
    <span className="number-right" data-testid="case-number-right">
      {t.isRight}
    </span>
  );
}

import type { DescMessage } from "@bufbuild/protobuf";
import { isTransient } from "@xiezhi/protos/errors.ts";
import { Alert, Button } from "antd";
import type { Command } from "../../ui/command.ts";
import { errorText, useLanguage, useTexts } from "../../ui/language.ts";
import { texts } from "./clerk.texts.ts";

/** A command to the room that was refused, or whose answer never came: then the same request is asked again, not a second one made. */
export function CommandFailure<I extends DescMessage, O extends DescMessage>({ command }: { command: Command<I, O> }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const { error } = command;
  if (!error) return null;
  const unconfirmed = isTransient(error) && error.reason !== "ROOMS_AWAY";
  return (
    <Alert
      type={unconfirmed ? "warning" : "error"}
      showIcon
      data-testid="command-failure"
      data-reason={error.reason}
      title={unconfirmed ? t.unconfirmedCommand : errorText(error, language)}
      description={unconfirmed ? errorText(error, language) : undefined}
      action={
        <Button size="small" onClick={() => (isTransient(error) ? void command.again() : command.forget())}>
          {isTransient(error) ? t.askAgain : t.dismiss}
        </Button>
      }
    />
  );
}

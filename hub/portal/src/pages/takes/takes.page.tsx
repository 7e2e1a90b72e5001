import { Route, Routes } from "react-router";
import { useTexts } from "../../ui/language.ts";
import { Title } from "../../ui/title.tsx";
import { TakeOne } from "./takes.one.tsx";
import { TakeTable } from "./takes.parts.tsx";
import { texts } from "./takes.texts.ts";

export default function TakesPage() {
  return (
    <Routes>
      <Route index element={<TakeList />} />
      <Route path=":takeId" element={<TakeOne />} />
    </Routes>
  );
}

function TakeList() {
  const t = useTexts(texts);
  return (
    <div className="page">
      <Title>{t.title}</Title>
      <TakeTable filter={{ pageSize: 100 }} empty={t.none} />
    </div>
  );
}

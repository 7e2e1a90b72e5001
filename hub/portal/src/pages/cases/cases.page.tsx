import { Route, Routes } from "react-router";
import { CaseList } from "./cases.list.tsx";
import { CaseOne } from "./cases.one.tsx";

export default function CasesPage() {
  return (
    <Routes>
      <Route index element={<CaseList />} />
      <Route path=":caseId" element={<CaseOne />} />
    </Routes>
  );
}

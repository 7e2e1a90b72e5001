import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import "./look/page.css";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);

// A button and what opens beneath it, until Escape, or a click elsewhere.

import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";

export function Popover({ label, title, className = "", end = false, children }) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef(null);
  const button = useRef(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (!isOpen) return undefined;
    const outside = (event) => !box.current?.contains(event.target) && setOpen(false);
    document.addEventListener("pointerdown", outside);
    box.current?.querySelector(".popover input, .popover select, .popover button")?.focus();
    return () => document.removeEventListener("pointerdown", outside);
  }, [isOpen]);
  const escape = (event) => {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    close();
  };
  return html`
    <span class="popover-box" ref=${box} onKeyDown=${escape}>
      <button type="button" ref=${button} class=${className} title=${title} aria-haspopup="dialog" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${label}</button>
      ${isOpen && html`<div class=${`popover ${end ? "end" : ""}`} role="dialog" aria-label=${title || label}>${children(close)}</div>`}
    </span>
  `;
}

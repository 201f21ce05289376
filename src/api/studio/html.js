// What every part of the page draws with: markup in template literals, read by htm, drawn by preact.

import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);

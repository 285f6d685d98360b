import type { Figures } from "../policy-tables.ts";
import { html, type Html } from "./html.ts";

/** A head and rows; the first cell of each names the row. */
export function figuresTable({ head, rows }: Figures): Html {
  return html`<table>
    <thead>
      <tr>
        ${head.map((cell) => html`<th scope="col">${cell}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([first = "", ...cells]) =>
          html`<tr>
            <th scope="row">${first}</th>
            ${cells.map((cell) => html`<td>${cell}</td>`)}
          </tr> `,
      )}
    </tbody>
  </table>`;
}

/** A section with a table that is always shown. */
export function tableSection(title: string, table: Html): Html {
  return html`<section>
    <h2>${title}</h2>
    <div class="wide">${table}</div>
  </section> `;
}

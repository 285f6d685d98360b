import { repetition, timeRead, type Origin } from "../origin.ts";
import { html, Html } from "./html.ts";
import { style } from "./style.ts";
import { figuresTable, tableSection } from "./tables.ts";

export interface PageParts {
  readonly origin: Origin;
  /** In a sentence: how many devices or pools, how long. */
  readonly summary: string;
  /** null: it was not set. */
  readonly rules: object;
  readonly body: readonly Html[];
}

/** One file that needs nothing else: no script, no network. */
export function page({ origin, summary, rules, body }: PageParts): string {
  const ruleRows = Object.entries(rules)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [name, String(value)]);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>Backtest of ${origin.source}</title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body>
        <main>
          <h1>Backtest of ${origin.source}</h1>
          <p>${[summary, timeRead(origin)].filter((text) => text !== null).join(" ")}</p>
          ${body}${tableSection("Rules", figuresTable({ head: ["rule", "value"], rows: ruleRows }))}
          <section>
            <h2>Again</h2>
            <p>${repetition(origin)}</p>
            <code>${origin.command}</code>
          </section>
        </main>
      </body>
    </html> `.text;
}

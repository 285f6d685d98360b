import { describe, expect, it } from "vitest";
import { svgFile } from "../../scripts/charts/svg-file.ts";
import { lineChart } from "../../src/backtest/report/html/line-chart.ts";
import { width } from "../../src/backtest/report/html/figure.ts";

function svgOf(names: readonly string[]): string {
  const lines = names.map((name, tone) => ({ name, tone, values: [1, 2] }));
  return svgFile(lineChart({ title: "Idle & lent", text: "", names: { x: "x", y: "y" }, x: [0, 1], lines }));
}

/** Where the legend's names begin, in the order of the names. */
function placesOf(svg: string): { x: number; y: number; name: string }[] {
  const legend = svg.slice(svg.lastIndexOf('<g class="ticks"'));
  return [...legend.matchAll(/<text\s+x="([\d.]+)"\s+y="([\d.]+)"\s*>([^<]+)</g)].map(([, x, y, name]) => ({
    x: Number(x),
    y: Number(y),
    name: name!,
  }));
}

/** A letter of 12 px in a wide font, as DejaVu Sans. */
const letterPx = 7;

describe("a chart as a file", () => {
  it("shows each name of the legend whole: inside the drawing, and over no other", () => {
    const svg = svgOf([7, 30, 30, 55, 60, 90, 7, 7, 40].map((length) => "n".repeat(length)));
    const places = placesOf(svg);
    const height = Number(/height="([\d.]+)"/.exec(svg)![1]);
    const legendTop = Number(/"ticks" transform="translate\(0 ([\d.]+)\)"/.exec(svg)![1]);
    expect(places).toHaveLength(9);
    for (const [index, { x, y, name }] of places.entries()) {
      const end = x + letterPx * name.length;
      expect(end).toBeLessThan(width);
      expect(legendTop + y).toBeLessThan(height);
      const next = places[index + 1];
      if (next?.y === y) expect(end).toBeLessThan(next.x);
    }
  });

  it("needs nothing else, escapes what it is given, and is light or dark as the reader's system", () => {
    const svg = svgOf(["a < b"]);
    expect(svg).toContain("Idle &amp; lent");
    expect(svg).toContain("a &lt; b");
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(svg).not.toMatch(
      /<script|href=|url\(|@import|var\(--(?!paper|ink|soft|line|t\d|idle|busy|unknown|lent)/,
    );
  });
});

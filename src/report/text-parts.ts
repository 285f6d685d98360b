import Table from "cli-table3";

const plain = { head: [], border: [], compact: true };

export function table(head: string[], rows: string[][], spaces = 1): string {
  const colAligns = head.map((_, index) => (index === 0 ? ("left" as const) : ("right" as const)));
  const made = new Table({
    head,
    colAligns,
    style: { ...plain, "padding-left": spaces, "padding-right": 0 },
    chars: ruled,
  });
  made.push(...rows);
  return made.toString();
}

/** One line under the heading, none else: narrow, and easy to copy. */
const ruled = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: " ",
  "left-mid": " ",
  right: "",
  "right-mid": "",
  mid: "─",
  "mid-mid": "─",
  middle: " ",
};

export function share(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** A GPU's UUID has 40 characters, of which the first tell it apart. */
export function shorten(name: string): string {
  return name.length <= 12 ? name : `${name.slice(0, 11)}…`;
}

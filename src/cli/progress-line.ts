const plainIntervalMs = 5_000;

/** One line on stderr that is redrawn in place on a terminal; elsewhere a line now and then, when it says something new. */
export class ProgressLine {
  #shownAtMs = -Infinity;
  #text = "";

  show(text: string): void {
    if (text === this.#text) return;
    if (process.stderr.isTTY)
      process.stderr.write(`\r\u001B[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
    else if (performance.now() - this.#shownAtMs >= plainIntervalMs) {
      process.stderr.write(`${text}\n`);
      this.#shownAtMs = performance.now();
    } else return;
    this.#text = text;
  }

  /** Clears the line on a terminal. */
  end(): void {
    if (process.stderr.isTTY && this.#text !== "") process.stderr.write("\r\u001B[K");
    this.#text = "";
  }
}

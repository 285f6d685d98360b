/** Text that replaces itself on a terminal; what was shown last stays when it ends. */
export class LiveScreen {
  #lines = 0;

  /** Rows that the terminal has for it. */
  get rows(): number {
    return (process.stdout.rows || 40) - 1;
  }

  show(text: string): void {
    const lines = text.split("\n").slice(0, this.rows);
    const up = this.#lines > 0 ? `\u001B[${this.#lines}A` : "";
    // A line that wraps would be counted once and drawn twice: wrapping is off while it is drawn.
    process.stdout.write(`${up}\r\u001B[J\u001B[?7l${lines.join("\n")}\n\u001B[?7h`);
    this.#lines = lines.length;
  }

  /** Leaves what is shown; the next `show` begins below. */
  leave(): void {
    this.#lines = 0;
  }
}

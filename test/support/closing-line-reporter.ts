import type { Reporter, TestModule } from "vitest/node";

/** Prints `N passed, N failed` (and `, N skipped`) alone on the last line, for programs that read the run. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      // A file that fails outside its tests (an import, a syntax error) has none to count.
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) counts[test.result().state]++;
    }
    const skipped = counts.skipped + counts.pending;
    const line = `${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
    // After the other reporters' last words.
    process.once("exit", () => process.stdout.write(`${line}\n`));
  }
}

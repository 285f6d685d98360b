import { wasAborted } from "./redis-error.ts";

/** Requests without an answer whose names are kept; beyond it the oldest is asked anew, and the books alone refuse it twice. */
export const unansweredMax = 100_000;

/**
 * Names for requests that may be carried out although their answer is lost with the connection: asked again under the same
 * name, a script answers as the first time instead of doing it twice.
 */
export class RequestIds {
  readonly #self: string;
  readonly #unanswered = new Map<string, string>();
  #count = 0;

  constructor(newId: () => string) {
    this.#self = newId();
  }

  /** `subjects`: what each request is about; a later request about the same goes by the name of one that was not answered. */
  async ask<T>(subjects: readonly string[], send: (ids: readonly string[]) => Promise<T>): Promise<T> {
    const ids = subjects.map((subject) => this.#take(subject));
    try {
      return await send(ids).catch(async (thrown: unknown) => {
        if (!wasAborted(thrown)) throw thrown;
        return send(ids);
      });
    } catch (thrown) {
      for (const [index, subject] of subjects.entries()) this.#keep(subject, ids[index] ?? "");
      throw thrown;
    }
  }

  #keep(subject: string, id: string): void {
    this.#unanswered.set(subject, id);
    if (this.#unanswered.size <= unansweredMax) return;
    for (const oldest of this.#unanswered.keys()) {
      this.#unanswered.delete(oldest);
      return;
    }
  }

  #take(subject: string): string {
    const id = this.#unanswered.get(subject) ?? `${this.#self}:${(this.#count += 1)}`;
    this.#unanswered.delete(subject);
    return id;
  }
}

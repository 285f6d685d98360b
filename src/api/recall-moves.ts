import { RecallStage, type RecallResponse } from "../gen/gleaner/v1/owners.ts";
import { systemClock } from "../runtime/clock.ts";

export interface RecallStream {
  readonly answers: AsyncIterator<RecallResponse>;
  readonly leave: () => void;
}

/** Of a recall that was taken and where nothing moves, the next address is asked too. */
const stillMs = 250;

/**
 * Follows a recall. Whoever took it may not reach the agent: where it tells of no stage but *accepted*, the others are asked
 * one after the other, and the first that gets on with it is followed instead.
 */
export async function* untilItMoves(
  taken: RecallStream,
  others: readonly string[],
  open: (address: string) => RecallStream,
): AsyncGenerator<RecallResponse> {
  const streams = [taken];
  const moves: Promise<Move>[] = [];
  const settled = new AbortController();
  try {
    let next = taken.answers.next();
    for (;;) {
      const other = others[moves.length];
      const racing: Promise<Move | "taken" | "still">[] = [
        next.then(always("taken"), always("taken")),
        ...moves,
      ];
      if (other !== undefined) racing.push(systemClock.sleep(stillMs, settled.signal).then(always("still")));
      const came = await Promise.race(racing);
      if (came === "still") {
        const stream = open(other!);
        streams.push(stream);
        moves.push(firstMove(stream));
      } else if (came === "taken") {
        const { done, value } = await next;
        if (done === true) return;
        yield value;
        if (value.stage !== RecallStage.ACCEPTED) {
          yield* rest(taken);
          return;
        }
        next = taken.answers.next();
      } else {
        taken.leave();
        yield came.first;
        yield* rest(came.stream);
        return;
      }
    }
  } finally {
    settled.abort();
    for (const { leave } of streams) leave();
  }
}

interface Move {
  readonly stream: RecallStream;
  readonly first: RecallResponse;
}

/** Never where it fails: the one that took the recall says what becomes of it. */
async function firstMove(stream: RecallStream): Promise<Move> {
  try {
    for await (const first of rest(stream))
      if (first.stage !== RecallStage.ACCEPTED) return { stream, first };
  } catch {
    // Nobody follows it.
  }
  return new Promise(() => {});
}

async function* rest({ answers }: RecallStream): AsyncGenerator<RecallResponse> {
  for (let next = await answers.next(); next.done !== true; next = await answers.next()) yield next.value;
}

function always<T>(value: T): () => T {
  return () => value;
}

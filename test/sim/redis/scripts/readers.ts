import { compareIds, noId } from "../../../../src/report/stream-id.ts";
import type { Script } from "../reply.ts";

export const noteBooks: Script = (space, [ledger = "", books = "", mark = ""], args) => {
  const [reader = "", id = "", wish = "", keptMax = ""] = args;
  let forgotten = space.get(mark) ?? noId;
  const place = id === noId ? forgotten : id;
  if (compareIds(place, forgotten) < 0) {
    space.hdel(books, reader);
    return forgotten;
  }
  space.hset(books, reader, `${place} ${wish}`);
  for (;;) {
    const [slowest, held] = [...space.hentries(books)]
      .map(([other, entry]): [string | null, string] => [other, entry.split(" ")[0]!])
      .reduce((least, next) => (compareIds(next[1], least[1]) < 0 ? next : least), [null, place]);
    if (compareIds(forgotten, held) < 0) {
      const [ms, sequence] = held.split("-").map(Number);
      space.xtrim(ledger, `${ms}-${sequence! + 1}`);
      space.set(mark, held);
      forgotten = held;
    }
    if (slowest === null || space.xlen(ledger) <= Number(keptMax)) return forgotten;
    space.hdel(books, slowest);
  }
};

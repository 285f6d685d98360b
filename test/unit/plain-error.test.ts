import { describe, expect, it } from "vitest";
import { GleanerError } from "../../src/errors/gleaner-error.ts";
import { fromPlainError, toPlainError } from "../../src/errors/plain-error.ts";

const through = (thrown: unknown) => fromPlainError(structuredClone(toPlainError(thrown)));

describe("an error on its way to another thread", () => {
  it("stays a GleanerError, with its code, details, remedy, stack and cause", () => {
    const cause = new TypeError("no such file");
    const error = new GleanerError("BOOKS_UNREADABLE", { path: "/books", problem: "damaged" }, { cause });
    const other = through(error);
    expect(other).toBeInstanceOf(GleanerError);
    expect(other).toMatchObject({ code: error.code, details: error.details, message: error.message });
    expect(`${other}`).toBe(`${error}`);
    expect(other.stack).toBe(error.stack);
    expect(other.cause).toMatchObject({ name: "TypeError", message: "no such file" });
  });

  it("stays another error with its name and stack; what is no error becomes one", () => {
    const error = new RangeError("too far");
    expect(through(error)).toMatchObject({ name: "RangeError", message: "too far", stack: error.stack });
    expect(through(error)).not.toBeInstanceOf(GleanerError);
    expect(through("bare")).toMatchObject({ message: "bare" });
  });
});

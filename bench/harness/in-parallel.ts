/** Acts `count` times, `inFlight` at a time. */
export async function inParallel(
  count: number,
  inFlight: number,
  act: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

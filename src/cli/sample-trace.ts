/** The trace that the repository ships; examples/README.md says how it was made. */
export const sampleTrace = new URL("../../examples/sample.devices.csv.gz", import.meta.url).pathname;

/** Guests that come to the queue, in columns, in order of submission. */
export interface Guests {
  readonly submitS: Float64Array;
  /** Work beyond the starts, s of one GPU. */
  readonly durationS: Float64Array;
  /** Between two checkpoints, > 0. */
  readonly checkpointS: Float64Array;
}

/** A bug, planted as an exchange of text in the production code. */
export interface Mutant {
  readonly name: string;
  /** Which promise it breaks. */
  readonly invariant: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** The files of the agent's machine. Paths are absolute; the simulator has disks of its own. */
export interface Disk {
  /** null: there is none. */
  read(file: string): string | null;
  /** Replaces the file whole: after a crash of the agent it is the old one or the new one. Not yet safe from the host's crash. */
  write(file: string, text: string): void;
  /** As `write`, and on disk when it resolves. Not to be mixed with it on one file while it runs. */
  writeDurably(file: string, text: string): Promise<void>;
  /** Over what is there, in place: finds room on a full disk where the file was as long before. A reader may meet half of it. */
  writeInPlace(file: string, text: string): void;
  makeDir(dir: string): void;
  /** Names; none where there is no such directory. */
  list(dir: string): string[];
  /** Wall clock; null: there is none. */
  modifiedMs(path: string): number | null;
  /** Of the newest file below a directory, wall clock; null: there is none. */
  newestMs(dir: string): Promise<number | null>;
  /** Nothing where there is none. */
  removeFile(file: string): Promise<void>;
  /** Nothing where there is none, or something in it. */
  removeEmptyDir(dir: string): Promise<void>;
  /** Whole directories; slow, and out of the way of everything else. Rejects when something is left behind. */
  removeTrees(dirs: readonly string[]): Promise<void>;
  /** Free part of the file system, as guests may use it; 0 to 1. */
  freeShare(dir: string): Promise<number>;
  /** Calls with the names of files that came or changed; what it answers ends that. */
  watch(dir: string, changed: (name: string) => void, failed: (err: unknown) => void): () => void;
  close(): Promise<void>;
}

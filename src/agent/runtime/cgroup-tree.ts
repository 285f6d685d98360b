import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Creates `root/name`; one that an earlier attempt of the same name left empty is taken over. */
export function makeCgroup(root: string, name: string): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Paths of the cgroups directly below. */
export function subgroups(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}

/** The cgroup itself and all below it: a guest with the rights may have made cgroups of its own. */
export function withDescendants(path: string): string[] {
  return [path, ...subgroups(path).flatMap(withDescendants)];
}

/** Living processes of the cgroup and of all below it. */
export function membersOf(path: string): number[] {
  return withDescendants(path).flatMap((group) =>
    readFileSync(join(group, "cgroup.procs"), "latin1").split("\n").filter(Boolean).map(Number),
  );
}

/** Children first; the kernel refuses to remove a cgroup that has any. */
export function removeCgroup(path: string): void {
  if (!existsSync(path)) return;
  for (const group of withDescendants(path).toReversed()) rmdirSync(group);
}

import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open, rename, rm, rmdir, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Disk } from "./disk.ts";
import { newestFileMs } from "./newest-file.ts";
import { TreeRemover } from "./tree-remover.ts";

export function systemDisk(): Disk {
  const remover = new TreeRemover();
  return {
    read: (file) => ifThere(() => readFileSync(file, "utf8")),
    write: (file, text) => {
      const part = `${file}.part`;
      writeFileSync(part, text, { mode: 0o640 });
      renameSync(part, file);
    },
    writeDurably,
    writeInPlace,
    makeDir: (dir) => {
      mkdirSync(dir, { recursive: true });
    },
    list: (dir) => ifThere(() => readdirSync(dir)) ?? [],
    modifiedMs: (path) => ifThere(() => statSync(path).mtimeMs),
    newestMs: newestFileMs,
    removeFile: (file) => rm(file, { force: true }),
    removeEmptyDir: (dir) => rmdir(dir).catch(() => {}),
    removeTrees: (dirs) => remover.remove(dirs),
    freeShare: async (dir) => {
      const { bavail, blocks } = await statfs(dir);
      return blocks === 0 ? 1 : bavail / blocks;
    },
    watch: (dir, changed, failed) => {
      const watcher = watch(dir, (_event, name) => {
        if (name !== null) changed(name);
      });
      watcher.on("error", failed);
      return () => watcher.close();
    },
    close: () => remover.close(),
  };
}

function writeInPlace(file: string, text: string): void {
  const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT, 0o640);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, at);
  } finally {
    closeSync(fd);
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const part = `${file}.durable`;
  const handle = await open(part, "w", 0o640);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, file);
  const dir = await open(dirname(file), "r");
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

function ifThere<T>(look: () => T): T | null {
  try {
    return look();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32, createZstdCompress, zstdDecompressSync } from "node:zlib";

/**
 * A journal's file is a sequence of records. Each is a Zstandard frame, so that `zstdcat` prints the file, and before it a skippable
 * frame (RFC 8878, 3.1.2) that tells its length and its CRC-32, so that a record that was torn is known as such.
 */

const skippableMagic = 0x18_4d_2a_50;
const headBytes = 16;
/** Joined and handed to the compressor at once: a fraction of a millisecond. */
const pieceBytes = 256 * 1024;
/** No record is longer, unpacked; a string could not hold more. */
const textBytesMax = 512 * 1024 * 1024;

export async function frameOf(text: readonly Buffer[]): Promise<Buffer> {
  const pieces = Readable.from(piecesOf(text), { objectMode: false });
  const body = await buffer(pieces.pipe(createZstdCompress()));
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(skippableMagic, 0);
  head.writeUInt32LE(headBytes - 8, 4);
  head.writeUInt32LE(body.length, 8);
  head.writeUInt32LE(crc32(body), 12);
  return Buffer.concat([head, body]);
}

function* piecesOf(text: readonly Buffer[]): Generator<Buffer> {
  let piece: Buffer[] = [];
  let bytes = 0;
  for (const part of text) {
    piece.push(part);
    bytes += part.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(piece);
    piece = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(piece);
}

/** The records' texts in their order; null stands for one that is torn, after which nothing can be told from the rest. */
export function* textsOf(file: Buffer): Generator<string | null> {
  let at = 0;
  while (at < file.length) {
    const bodyAt = at + headBytes;
    const isHead =
      bodyAt <= file.length &&
      file.readUInt32LE(at) === skippableMagic &&
      file.readUInt32LE(at + 4) === headBytes - 8;
    const bodyEnd = isHead ? bodyAt + file.readUInt32LE(at + 8) : Infinity;
    const body = bodyEnd <= file.length ? file.subarray(bodyAt, bodyEnd) : null;
    if (body === null || crc32(body) !== file.readUInt32LE(at + 12)) {
      yield null;
      return;
    }
    yield zstdDecompressSync(body, { maxOutputLength: textBytesMax }).toString("utf8");
    at = bodyEnd;
  }
}

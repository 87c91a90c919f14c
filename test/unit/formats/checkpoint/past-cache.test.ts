/** Long writes past the page cache: the bytes of plain writes, wherever they lie, and where direct I/O is not there or ends half-way. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { PastCache } from '../../../../src/formats/checkpoint/past-cache.js';
import { pageBytes, type FileSystem, type OpenFile } from '../../../../src/storage/file-system.js';
import { realFileSystem } from '../../../../src/storage/real-file-system.js';
import { InvalidConfig } from '../../../../src/util/errors.js';
import { MiB } from '../../../../src/util/units.js';

const root = mkdtempSync(join(tmpdir(), 'waferstream-past-cache-')), path = join(root, 'file'), fileBytes = 12 * MiB;
after(() => rmSync(root, { recursive: true }));

interface Pages {
  readonly direct: Set<number>;
  readonly cached: Set<number>;
}

const noted = (file: OpenFile, pages: Set<number>, refuseFrom = Infinity): OpenFile => {
  let writes = 0;
  return {
    path: file.path, read: (into, at) => file.read(into, at), truncate: (bytes) => file.truncate(bytes), sync: () => file.sync(), size: () => file.size(), close: () => file.close(),
    write: (from, at) => {
      if (++writes > refuseFrom) throw new InvalidConfig({ what: 'direct I/O is not there', where: file.path });
      file.write(from, at);
      for (let page = Math.floor(at / pageBytes); page * pageBytes < at + from.length; page++) pages.add(page);
    },
  };
};

/** A host whose direct I/O refuses to open, or after so many writes; its own may be missing as well. */
const host = (pages: Pages, refusal: 'never' | 'open' | number): FileSystem => ({
  ...realFileSystem,
  open: (name, mode, options) => {
    if (options?.direct !== true) return noted(realFileSystem.open(name, mode), pages.cached);
    if (refusal === 'open') throw new InvalidConfig({ what: 'direct I/O is not there', where: name });
    return noted(realFileSystem.open(name, mode, options), pages.direct, refusal === 'never' ? Infinity : refusal);
  },
});

const aWrite = fc.record({ at: fc.nat({ max: MiB }), bytes: fc.oneof(fc.nat({ max: 9 * MiB }), fc.nat({ max: 300 * 1024 })) });

test('a long write puts the bytes of a plain one, and the two ways share no page', () => {
  let directPages = 0;
  fc.assert(fc.property(aWrite, fc.constantFrom<'never' | 'open' | number>('never', 'open', 0, 1), ({ at, bytes }, refusal) => {
    rmSync(path, { force: true });
    const pages: Pages = { direct: new Set(), cached: new Set() }, fs = host(pages, refusal), expected = new Uint8Array(fileBytes);
    const from = new Uint8Array(new SharedArrayBuffer(bytes));
    for (let i = 0; i < bytes; i += 97) from[i] = i % 251 + 1;
    expected.set(from, at);
    const through = fs.open(path, 'create'), writer = new PastCache(fs, through);
    through.truncate(fileBytes);
    writer.write(from, at);
    writer.close();
    through.sync();
    through.close();
    assert.ok(readFileSync(path).equals(expected));
    assert.deepEqual([...pages.direct].filter((page) => pages.cached.has(page)), []);
    if (refusal === 'open' || refusal === 0) assert.equal(pages.direct.size, 0);
    directPages += pages.direct.size;
  }), { numRuns: 40, seed: 7 });
  const hasDirect = (() => {
    try {
      realFileSystem.open(path, 'write', { direct: true }).close();
      return true;
    } catch {
      return false;
    }
  })();
  assert.ok(!hasDirect || directPages > 1000, `${directPages} pages went past the cache`);
});
